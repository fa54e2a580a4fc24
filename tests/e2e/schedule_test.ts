import assert from "node:assert/strict";
import { BeanstalkClient } from "../../lib/task/beanstalk/client.ts";
import { startDaemon, withOthersOff } from "../support/daemon.ts";
import { until } from "../support/within.ts";

function config(schedules: string): string {
  return `
    [task]
    listen = "127.0.0.1:0"
    beanstalk = "127.0.0.1:0"
    generator = { enabled = false }
    ${schedules}
    [admin]
    listen = "127.0.0.1:0"`;
}

function schedule(name: string): string {
  return `[[task.schedule]]\nname = "${name}"\nevery = "1s"\ntube = "${name}"\nbody = "of ${name}"`;
}

Deno.test("schedules: come and go with a reload, and pause in drain mode", async () => {
  await using daemon = await startDaemon({ config: config(schedule("a")) });
  const connect = async () => {
    const listening = /msg=Listening service=task address=127\.0\.0\.1:(\d+)/g;
    const port = Number([...daemon.log.matchAll(listening)].at(-1)![1]);
    return new BeanstalkClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  };
  const client = await connect();
  await client.ask("watch a");
  const reserved = await client.ask("reserve-with-timeout 60");
  assert.equal(reserved.words[0], "RESERVED");
  assert.equal(new TextDecoder().decode(reserved.body), "of a");

  const admin = /msg=Listening service=admin address=(\S+)/.exec(daemon.log)![1];
  const page = async () => {
    const { services } = await (await fetch(`http://${admin}/state`)).json();
    const { status } = services.find(({ name }: { name: string }) => name === "task");
    return status.schedules as { name: string; lastAt: number; nextAt: number; job: number }[];
  };
  const [shown, ...others] = await page();
  assert.deepEqual([shown!.name, others], ["a", []]);
  assert.ok(shown!.job >= Number(reserved.words[1]), `job ${shown!.job}`);
  assert.ok(shown!.nextAt > shown!.lastAt);
  client.close();

  await Deno.writeTextFile(daemon.configFile, withOthersOff(config(schedule("b"))));
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded/);
  await until("the page shows the new schedule", async () => (await page())[0]?.name === "b");
  const again = await connect();
  await again.ask("watch b");
  const next = await again.ask("reserve-with-timeout 60");
  assert.equal(new TextDecoder().decode(next.body), "of b");

  const body = new TextEncoder().encode("x");
  const [, id] = (await again.ask("put 0 0 60 1", body)).words;
  daemon.signal("SIGUSR2");
  await daemon.logged(/msg="Drain mode: .*" services=task/);
  assert.equal((await again.ask("put 0 0 60 1", body)).words[0], "DRAINING");
  assert.equal((await again.ask(`reserve-job ${id}`)).words[0], "RESERVED");
  const ready = await fetch(`http://${admin}/readyz`);
  const { reasons } = await ready.json();
  assert.equal(ready.status, 503);
  assert.match(reasons.join(), /^task: drain mode: new jobs are refused until/);
  const overdue = (ms: number) => async () => (await page())[0]!.nextAt < Date.now() - ms;
  await until("a run is overdue", overdue(100));
  const { job } = (await page())[0]!;
  await until("another run is overdue", overdue(1100));
  assert.equal((await page())[0]!.job, job);

  // A reload that restarts the service does not end the mode.
  await Deno.writeTextFile(daemon.configFile, withOthersOff(config("max_attempts = 3")));
  daemon.signal("SIGHUP");
  await daemon.loggedTimes("msg=Reloaded", 2);
  const last = await connect();
  assert.equal((await last.ask("put 0 0 60 1", body)).words[0], "DRAINING");
  last.close();
  again.close();
  assert.equal((await daemon.stop()).code, 0);
});
