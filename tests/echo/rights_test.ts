/**
 * Clients of echo whose token has limited rights, in each of its protocols.
 *
 * @module
 */

import assert from "node:assert/strict";
import { echoRights } from "../../lib/echo/rights.ts";
import { TestClient } from "../support/client.ts";
import { FULL_TOKEN, guardWithRights, LIMITED_TOKEN } from "../support/rights.ts";
import { startNats, WireClient } from "./nats/support.ts";
import { TestSocket, webSocketPort } from "./websocket/support.ts";

/** Starts echo with a guard, and the ports for NATS and WebSockets. */
function start(rights: unknown, config: Record<string, unknown> = {}) {
  const guard = guardWithRights(echoRights, rights);
  return startNats({ websocket: "127.0.0.1:0", ...config }, { guard: () => guard });
}

async function natsClient(port: number, token: string): Promise<WireClient> {
  const client = await WireClient.connect(port);
  await client.send(`CONNECT {"verbose":false,"headers":true,"auth_token":"${token}"}\r\n`);
  return client;
}

async function lineClient(
  address: Parameters<typeof TestClient.connect>[0],
  token: string,
): Promise<TestClient> {
  const client = await TestClient.connect(address);
  await client.send(`AUTH ${token}\n`);
  assert.equal(await client.line(), "OK\n");
  return client;
}

Deno.test("rights: NATS clients publish and subscribe only where they may", async () => {
  await using echo = await start({
    publish: ["app.>", "one.*"],
    subscribe: ["app.>", "*.news", "one", "_INBOX.app.>"],
  });
  using client = await natsClient(echo.port, LIMITED_TOKEN);
  using other = await natsClient(echo.port, FULL_TOKEN);
  assert.equal(await other.ask("SUB > 1\r\n"), "");
  const refused = (subject: string) =>
    `-ERR 'Permissions Violation for Subscription to "${subject}"'\r\n`;
  for (
    const pattern of [
      "app.>",
      "app.*",
      "app.*.x",
      "app.a",
      "*.news",
      "b.news",
      "one",
      "_INBOX.app.1",
    ]
  ) {
    assert.equal(
      await client.ask(`SUB ${pattern} ${pattern}\r\nUNSUB ${pattern}\r\n`),
      "",
      pattern,
    );
  }
  for (
    const pattern of [
      ">",
      "*",
      "*.*",
      "app",
      "*.>",
      "two",
      "_INBOX.>",
      "*.new",
      "x.news.x",
    ]
  ) {
    assert.equal(await client.ask(`SUB ${pattern} 1\r\n`), refused(pattern), pattern);
  }
  assert.equal(
    await client.ask("SUB * workers 1\r\n"),
    `-ERR 'Permissions Violation for Subscription to "*" using queue "workers"'\r\n`,
  );
  const publish = (subject: string) => `PUB ${subject} 1\r\nx\r\n`;
  const violation = (subject: string) =>
    `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;
  // The same subject several times in a row is one decision.
  const subjects = ["secret", "secret", "app", "one", "one.a.b", "task.app.put"];
  assert.equal(await client.ask(subjects.map(publish).join("")), subjects.map(violation).join(""));
  assert.equal(await client.ask(["app.a", "one.b"].map(publish).join("")), "");
  assert.equal(await client.ask("HPUB secret 12 13\r\nNATS/1.0\r\n\r\nx\r\n"), violation("secret"));
  assert.equal(await other.ask(""), "MSG app.a 1 1\r\nx\r\nMSG one.b 1 1\r\nx\r\n");
  assert.equal(echo.log.matching("Token lacks the right").length, 1);

  // Another login brings other rights.
  await client.send(`CONNECT {"auth_token":"${FULL_TOKEN}"}\r\n`);
  assert.equal(await client.ask(publish("secret") + publish("fresh")), "");
  await client.send(`CONNECT {"auth_token":"${LIMITED_TOKEN}"}\r\n`);
  assert.equal(await client.ask(publish("fresh")), violation("fresh"));
});

Deno.test("rights: NATS clients answer what they have received, and name only their own inboxes", async () => {
  await using echo = await start({ publish: ["svc.b"], subscribe: ["svc.a", "_INBOX.app.>"] });
  using service = await natsClient(echo.port, LIMITED_TOKEN);
  using user = await natsClient(echo.port, FULL_TOKEN);
  await service.ask("SUB svc.a workers 1\r\n");
  await user.ask("SUB inbox 1\r\n");
  const answer = "PUB inbox 2\r\nok\r\n";
  assert.match(await service.ask(answer), /Violation for Publish to "inbox"/, "not asked yet");
  assert.equal(await user.ask("PUB svc.a inbox 1\r\n?\r\n"), "");
  assert.equal(await service.ask(""), "MSG svc.a 1 inbox 1\r\n?\r\n");
  assert.equal(await service.ask(answer + answer), "");
  assert.equal(await user.ask(""), "MSG inbox 1 2\r\nok\r\n".repeat(2));
  assert.match(await service.ask("PUB other 2\r\nok\r\n"), /Violation for Publish to "other"/);

  await user.ask("SUB svc.b 2\r\n");
  const ask = (reply: string) => service.ask(`PUB svc.b ${reply} 1\r\n?\r\n`);
  assert.equal(await ask("_INBOX.app.1"), "");
  assert.equal(await ask("inbox"), "", "it passes on a request that it has received");
  assert.equal(
    await ask("secret.delete"),
    `-ERR 'Permissions Violation for Publish with Reply of "secret.delete"'\r\n`,
  );
  assert.equal(
    await user.ask(""),
    "MSG svc.b 2 _INBOX.app.1 1\r\n?\r\nMSG svc.b 2 inbox 1\r\n?\r\n",
  );
});

Deno.test("rights: clients that speak lines may only listen, only talk, or neither", async () => {
  const listens = { subscribe: ["echo"] },
    talks = { publish: ["echo"] },
    neither = { publish: ["x"] };
  await Promise.all([listens, talks, neither].map(async (rights) => {
    await using echo = await start(rights);
    using client = await lineClient(echo.lines, LIMITED_TOKEN);
    using web = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}/`, {
      headers: { authorization: `Bearer ${LIMITED_TOKEN}` },
    });
    if (rights === neither) {
      assert.equal(await client.rest(), "ERR no right to this port\n");
      assert.equal(await web.next(), "ERR no right to this port");
      return;
    }
    using other = await lineClient(echo.lines, FULL_TOKEN);
    await client.send("one\ntwo\n");
    web.send("three");
    if (rights === listens) {
      assert.equal(
        await client.line() + await client.line(),
        "ERR no right to publish here\n".repeat(2),
      );
      assert.equal(await web.next(), "ERR no right to publish here");
      await other.send("hello\n");
      for (const line of [await client.line(), await other.line()]) assert.equal(line, "hello\n");
      assert.equal(await web.next(), "hello");
    } else {
      const lines = new Set([await other.line(), await other.line(), await other.line()]);
      assert.deepEqual(lines, new Set(["one\n", "two\n", "three\n"]));
      await client.closeWrite();
      assert.equal(await client.rest(), "", "it heard nothing");
    }
  }));
});

Deno.test("rights: in confirm mode, lines need the right to publish", async () => {
  await using echo = await start({ subscribe: ["echo"] }, { mode: "confirm" });
  using client = await lineClient(echo.lines, LIMITED_TOKEN);
  assert.equal(await client.rest(), "ERR no right to this port\n");
});

Deno.test("rights: over WebSocket, the NATS protocol has the rights of the token of the handshake", async () => {
  await using echo = await start({ publish: ["app.>"], subscribe: ["app.>"] });
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}/nats`, {
    headers: { authorization: `Bearer ${LIMITED_TOKEN}` },
  });
  assert.match(await socket.next(), /^INFO /);
  const send = (text: string) => socket.send(new TextEncoder().encode(text));
  send('CONNECT {"verbose":false}\r\nPUB secret 1\r\nx\r\n');
  assert.match(await socket.next(), /Permissions Violation for Publish to "secret"/);
  send("SUB > 1\r\n");
  assert.match(await socket.next(), /Permissions Violation for Subscription to ">"/);
});
