import assert from "node:assert/strict";
import { BeanstalkClient } from "../../lib/task/beanstalk/client.ts";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";

function config(more = ""): string {
  return `
    [storage]
    url = "sqlite:queue.db"
    [task]
    listen = "127.0.0.1:0"
    beanstalk = "127.0.0.1:0"
    ${more}`;
}

/** The push port and the beanstalk port. */
function ports(daemon: DaemonProcess): [push: number, beanstalk: number] {
  const listening = /msg=Listening service=task address=127\.0\.0\.1:(\d+)/g;
  const [push, beanstalk] = [...daemon.log.matchAll(listening)].map((match) => Number(match[1]));
  return [push!, beanstalk!];
}

async function connect(daemon: DaemonProcess): Promise<BeanstalkClient> {
  const [, port] = ports(daemon);
  return new BeanstalkClient(await Deno.connect({ hostname: "127.0.0.1", port }));
}

Deno.test("task: the generator asks workers for squares and logs their answers", async () => {
  await using daemon = await startDaemon({
    config: config('generator = { every = "100ms" }'),
    args: ["--set=log.level=debug"],
  });
  const [port] = ports(daemon);
  using good = await TestClient.connect({ transport: "tcp", hostname: "127.0.0.1", port });
  using lazy = await TestClient.connect({ transport: "tcp", hostname: "127.0.0.1", port });
  const number = Number(await good.line());
  assert(number >= 0 && number < 100);
  await good.send(`${number ** 2}\n`);
  await daemon.logged(
    new RegExp(
      `msg="Worker answered" worker=\\S+ number=${number} result="?${number ** 2}"? ms=\\d+`,
    ),
  );
  await daemon.logged(/msg="Worker is late" worker=\S+ number=\d+/);
  await lazy.line();
  await lazy.send("seven\n");
  await daemon.logged(/msg="Worker answered wrong" worker=\S+ number=\d+ result=seven/);
});

Deno.test("task: on SIGTERM refuses jobs, lets workers finish and exits with 0", async () => {
  await using daemon = await startDaemon({ config: config("generator = { enabled = false }") });
  const worker = await connect(daemon), producer = await connect(daemon);
  const body = new TextEncoder().encode("x");
  assert.equal((await producer.ask("put 0 0 60 1", body)).words[0], "INSERTED");
  assert.equal((await producer.ask("put 0 0 60 1", body)).words[0], "INSERTED");
  const { words } = await worker.ask("reserve");
  daemon.signal("SIGTERM");
  await daemon.logged(/msg=Draining/);
  while ((await producer.ask("put 9 0 60 1", body)).words[0] !== "DRAINING");
  assert.equal((await producer.ask("reserve-with-timeout 0")).words[0], "TIMED_OUT");
  assert.equal((await worker.ask(`delete ${words[1]}`)).words[0], "DELETED");
  assert.equal((await daemon.ended()).code, 0);
  worker.close();
  producer.close();
});

Deno.test("task: jobs outlive the daemon, with the rules of their tubes", async () => {
  const directory = await Deno.makeTempDir({ prefix: "quartet-test-" });
  const start = () =>
    startDaemon({
      config: `[daemon]\ndata_dir = ${JSON.stringify(directory)}\n` + config(`
        generator = { enabled = false }
        [task.tubes.mail]
        max_attempts = 1`),
    });
  try {
    {
      await using daemon = await start();
      const client = await connect(daemon);
      await client.ask("use mail");
      await client.ask("put 0 0 60 1", new TextEncoder().encode("x"));
      client.close();
      assert.equal((await daemon.stop()).code, 0);
    }
    await using daemon = await start();
    const client = await connect(daemon);
    await client.ask("watch mail");
    const { words } = await client.ask("reserve-with-timeout 0");
    assert.equal(words[0], "RESERVED");
    const reason = new TextEncoder().encode("x");
    assert.equal((await client.ask(`fail ${words[1]} 1`, reason)).words[0], "BURIED");
    client.close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
