/**
 * Clients that begin a request and do not finish it, with every protocol.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Address } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { startDaemon } from "../support/daemon.ts";
import { dribble } from "../support/dribble.ts";

const TIMEOUT = `request_timeout = "300ms"`;
const CONFIG = `
  [storage]
  url = "memory:"
  [echo]
  listen = "127.0.0.1:0"
  ${TIMEOUT}
  [kv]
  listen = "127.0.0.1:0"
  ${TIMEOUT}
  [task]
  listen = "127.0.0.1:0"
  beanstalk = "127.0.0.1:0"
  generator.enabled = false
  ${TIMEOUT}
  [mesh]
  listen = "127.0.0.1:0"
  ${TIMEOUT}`;

const LINE = "ERR request timeout\n";
const RESP = "-ERR request timeout\r\n";

/** What is sent at once, what follows byte by byte until the server closes, and the reply. */
const HELD: [port: string, what: string, sent: string, dribbled: string, reply: string][] = [
  ["echo", "half a line behind a whole one", "whole\nha", "l", `whole\n${LINE}`],
  ["kv", "half a word of an undecided protocol", "", "g", RESP],
  ["kv", "half a line of text", "PUT k ", "v", LINE],
  ["kv", "half a line behind a whole one", "PUT k v\nGET ", "k", `OK\n${LINE}`],
  ["kv", "half an inline command", "PING\r\nECHO ", "x", `+PONG\r\n${RESP}`],
  ["kv", "half a count", "*", "1", RESP],
  ["kv", "half an argument", "*2\r\n$3\r\nGET\r\n$9999\r\n", "k", RESP],
  ["push", "half a reply", "", "4", LINE],
  ["beanstalk", "half a line", "use ", "t", ""],
  ["beanstalk", "half a job", "use t\r\nput 0 0 60 9999\r\n", "x", "USING t\r\n"],
  ["beanstalk", "a job that is too big", "put 0 0 60 999999\r\n", "x", ""],
  ["beanstalk", "a line that is too long", "x".repeat(300), "x", ""],
  ["mesh", "the beginning of a line", "", "S", LINE],
  [
    "mesh",
    "half a line behind a whole one",
    "CANCEL 9\nSTAT",
    "U",
    "ERR there is no job 9\n" + LINE,
  ],
  ["mesh", "half a hello", "PEER ", "{", LINE],
];

Deno.test("request timeout: an unfinished request is ended with every protocol", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const [push, beanstalk] = daemon.addresses("task");
  await Promise.all(HELD.map(async ([port, what, sent, dribbled, reply]) => {
    const taskAddresses: Record<string, Address> = { push: push!, beanstalk: beanstalk! };
    const address = taskAddresses[port] ?? daemon.address(port);
    using client = await TestClient.connect(address);
    await client.send(sent);
    assert.equal(await dribble(client, dribbled), reply, `${port}: ${what}`);
  }));
});

Deno.test("request timeout: half a message of echo reaches nobody, and a client that only listens stays", async () => {
  for (const mode of ["broadcast", "confirm"]) {
    const config = `[log]\nlevel = "debug"\n[echo]\nlisten = "127.0.0.1:0"\nmode = "${mode}"\n` +
      `${TIMEOUT}\n`;
    await using daemon = await startDaemon({ config });
    using listening = await TestClient.connect(daemon.address("echo"));
    await daemon.loggedTimes('msg="Client connected"', 1);
    for (let count = 0; count < 2; count++) {
      using slow = await TestClient.connect(daemon.address("echo"));
      assert.equal(await dribble(slow, "x"), LINE);
    }
    await listening.send("hello\n");
    const reply = mode === "broadcast" ? "hello\n" : "Message received.\n";
    assert.equal(await listening.line(), reply);
    assert.ok(!/text=.*x/.test(daemon.log), daemon.log);
  }
});
