/** Two daemons, linked through nats-server, as their clients and operators see them. */

import assert from "node:assert/strict";
import { formatAddress } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, spawnDaemon, startDaemon } from "../support/daemon.ts";
import { hasNatsServer, startNatsServer } from "../support/nats_server.ts";
import { until } from "../support/within.ts";

function startLinked(port: number): Promise<DaemonProcess> {
  return startDaemon({
    env: { TEST_NATS_TOKEN: "a-secret" },
    config: `
[bus]
url = ["nats://127.0.0.1:1", "nats://127.0.0.1:${port}"]
token = { env = "TEST_NATS_TOKEN" }
bus_timeout = "300ms"
[echo]
listen = "127.0.0.1:0"
[kv]
listen = "127.0.0.1:0"
storage = "memory:"
[admin]
listen = "127.0.0.1:0"
`,
  });
}

async function readiness(daemon: DaemonProcess): Promise<string> {
  const reply = await fetch(`http://${formatAddress(daemon.address("admin"))}/readyz`);
  return `${reply.status} ${await reply.text()}`;
}

/** Waits until a daemon is linked. */
function linked(daemon: DaemonProcess): Promise<void> {
  return until("it is ready", async () => (await readiness(daemon)).startsWith("200"));
}

Deno.test({
  name: "two daemons share one bus through nats-server, and say so when they cannot",
  ignore: !await hasNatsServer(),
  fn: async () => {
    const config = 'authorization { token: "a-secret" }';
    let server = await startNatsServer(config);
    try {
      const daemons = await Promise.all([startLinked(server.port), startLinked(server.port)]);
      await using a = daemons[0];
      await using b = daemons[1];
      await Promise.all(daemons.map(linked));
      using one = await TestClient.connect(a.address("echo"));
      using two = await TestClient.connect(b.address("echo"));
      // A line that comes back shows that the subscription is in force.
      await two.send("ready\n");
      assert.equal(await two.line(), "ready\n");
      await one.send("hello\n");
      while (await one.line() !== "hello\n");
      assert.equal(await two.line(), "hello\n");

      await server[Symbol.asyncDispose]();
      await a.logged(/connection to NATS is lost/);
      await one.send("lost\n");
      assert.equal(await one.line(), "ERR bus unavailable\n");
      using redis = await TestClient.connect(a.address("kv"));
      const publish = "*3\r\n$7\r\nPUBLISH\r\n$4\r\necho\r\n$2\r\nhi\r\n";
      await redis.send(publish);
      assert.equal(await redis.line(), "-ERR bus unavailable\r\n");
      await redis.send(
        '*3\r\n$4\r\nEVAL\r\n$38\r\nreturn redis.call("PUBLISH", "x", "y")\r\n$1\r\n0\r\n',
      );
      assert.equal(await redis.line(), ":0\r\n");
      assert.match(await readiness(a), /^503 [\s\S]*bus: .*NATS/);

      server = await startNatsServer(config, server.port);
      await Promise.all(daemons.map(linked));
      await two.send("again\n");
      assert.equal(await two.line(), "again\n");
      await one.send("back\n");
      while (await one.line() !== "back\n");
      assert.equal(await two.line(), "back\n");
      await redis.send(publish);
      assert.equal(await redis.line(), ":1\r\n");
      assert.equal(await two.line(), "hi\n");
      assert.doesNotMatch(a.log + b.log, /a-secret/);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  },
});

Deno.test({
  name: 'serve: order = "one" is refused where there is no JetStream, in one line',
  ignore: !await hasNatsServer(),
  fn: async () => {
    await using server = await startNatsServer();
    const config = `[bus]\nurl = "nats://127.0.0.1:${server.port}"\norder = "one"\n`;
    await using daemon = await spawnDaemon({ config });
    assert.equal((await daemon.ended()).code, 1);
    const said = daemon.log.trimEnd().split("\n").filter((line) => /JetStream/.test(line));
    assert.equal(said.length, 1, daemon.log);
    assert.match(
      said[0]!,
      /order = .?"one.?" needs JetStream, which the NATS server does not offer/,
    );
  },
});
