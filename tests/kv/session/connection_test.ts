/**
 * Replies that depend on changes that are not durable yet, on a store whose commits the test
 * decides.
 *
 * @module
 */

import assert from "node:assert/strict";
import { RespConnection } from "../../../lib/kv/session/connection.ts";
import { Session } from "../../../lib/kv/session/session.ts";
import { ReadBuffer } from "../../../lib/net/read_buffer.ts";
import { OutOfMemoryError, StorageUnavailableError } from "../../../lib/storage/store.ts";
import { nextTurn } from "../../../lib/turn.ts";
import { ControlledTurns } from "../../support/controlled_turns.ts";
import { until, within } from "../../support/within.ts";
import { ByteMap, serverOn, testPeer, TestSocket } from "../byte_map.ts";
import { encodeRequest } from "../support.ts";

/** Registers a test in which no batch ends early because the machine is busy. */
function batchTest(name: string, run: () => Promise<void>): void {
  Deno.test(name, async () => {
    using _turns = new ControlledTurns(() => false);
    await run();
  });
}

const FAILED = "-ERR storage unavailable: the disk is full\r\n";

/** A client of a connection that runs in this process. */
class TestClient implements AsyncDisposable {
  readonly map = new ByteMap();
  readonly server = serverOn(this.map);
  readonly socket = new TestSocket();
  readonly session: Session;
  readonly #served: Promise<void>;

  constructor() {
    this.session = new Session(this.server, testPeer());
    const buffer = new ReadBuffer({ maxBytes: 1e7 });
    this.#served = new RespConnection(this.socket, buffer, this.session).serve();
  }

  /** Sends requests in one packet. */
  send(...requests: string[][]): void {
    const bytes = requests.map((args) => encodeRequest(args));
    const packet = new Uint8Array(bytes.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of bytes) {
      packet.set(part, at);
      at += part.length;
    }
    this.socket.send(packet);
  }

  /** Waits until the server waits for a commit that nothing was written before. */
  async awaitsCommit(): Promise<void> {
    await until("the server waits for a commit", () => this.map.awaited > 0);
    assert.equal(this.socket.output, "");
  }

  /** Waits for an output. */
  async expect(output: string): Promise<void> {
    await until(`${output.length} bytes arrive`, () => this.socket.output.length >= output.length);
    assert.equal(this.socket.output, output);
    this.socket.output = "";
  }

  /** How often a command was called. */
  calls(name: string): number {
    return this.server.metrics.calls[this.server.commands.get(name)!.index]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.end();
    await within(60_000, "the end of the connection", this.#served);
  }
}

function diskFull(): StorageUnavailableError {
  return new StorageUnavailableError("storage unavailable: the disk is full");
}

batchTest("kv: the reply to a write on bytes is sent once the write is durable", async () => {
  await using client = new TestClient();
  client.send(["SET", "a", "1"], ["GET", "a"], ["INCR", "a"], ["DEL", "a"], ["MGET", "a", "b"]);
  await client.awaitsCommit();
  client.map.commit();
  await client.expect("+OK\r\n$1\r\n1\r\n:2\r\n:1\r\n*2\r\n$-1\r\n$-1\r\n");
});

batchTest(
  "kv: if the commit fails, exactly the replies that depend on it become errors",
  async () => {
    await using client = new TestClient();
    client.map.set("old", new Uint8Array([0x78]));
    client.map.commit();
    const long = "v".repeat(20_000);
    client.map.set("long", new TextEncoder().encode(long));
    client.map.commit();
    client.map.set("new", new TextEncoder().encode(long));
    client.send(
      ["GET", "old"],
      ["SET", "a", "1"],
      ["GET", "long"],
      ["GET", "a"],
      ["GET", "none"],
      ["GET", "new"],
      ["SET", "b", "2"],
      ["GET", "long"],
    );
    await client.awaitsCommit();
    client.map.fail(diskFull());
    const kept = `$20000\r\n${long}\r\n`;
    await client.expect(
      `$1\r\nx\r\n${FAILED}${kept}${FAILED}$-1\r\n${FAILED}${FAILED}${kept}`,
    );
    assert.equal(client.server.metrics.errors.get("ERR"), 4);
    client.send(["SET", "a", "2"]);
    await until("the next commit is awaited", () => client.map.awaited > 5);
    client.map.commit();
    await client.expect("+OK\r\n");
  },
);

batchTest("kv: a failed commit does not change replies that depend on an earlier one", async () => {
  await using client = new TestClient();
  // The first commit is on its way when the client reads, and the second collects its write.
  client.map.set("a", new Uint8Array([0x78]));
  const { map } = client;
  const first = Promise.withResolvers<void>(), second = Promise.withResolvers<void>();
  map.flushed = (seen) => seen === 1 ? first.promise : second.promise;
  client.send(["GET", "a"], ["SET", "b", "1"], ["GET", "a"], ["GET", "b"]);
  await until("the requests have run", () => client.calls("get") === 3);
  first.resolve();
  second.reject(diskFull());
  await client.expect(`$1\r\nx\r\n${FAILED}$1\r\nx\r\n${FAILED}`);
});

batchTest("kv: replies stay in order when other commands come between", async () => {
  await using client = new TestClient();
  client.send(
    ["SET", "a", "1"],
    ["PING"],
    ["APPEND", "a", "2"],
    ["GET", "a"],
    ["NOPE"],
    ["SET", "b", "3"],
    ["STRLEN", "a"],
  );
  await client.awaitsCommit();
  client.map.commit();
  const unknown = "-ERR unknown command 'NOPE', with args beginning with: \r\n";
  await client.expect(`+OK\r\n+PONG\r\n:2\r\n$2\r\n12\r\n${unknown}+OK\r\n:2\r\n`);
});

batchTest("kv: a failed commit makes errors of held and of pending replies", async () => {
  await using client = new TestClient();
  client.send(["SET", "a", "1"], ["PING"], ["APPEND", "a", "2"], ["SET", "b", "3"]);
  await client.awaitsCommit();
  client.map.fail(diskFull());
  await client.expect(`${FAILED}+PONG\r\n${FAILED}${FAILED}`);
});

batchTest("kv: a reply that is pending does not let a held one out before its commit", async () => {
  await using client = new TestClient();
  const { map } = client;
  const commit = Promise.withResolvers<void>();
  map.flushed = (seen) => seen === 1 ? commit.promise : Promise.resolve();
  client.send(["SET", "a", "1"], ["APPEND", "b", "2"], ["SET", "c", "3"]);
  await until("the requests have run", () => map.entries.size === 3);
  // Everything that could run now has run after a turn.
  await nextTurn();
  assert.equal(client.socket.output, "");
  commit.resolve();
  await client.expect("+OK\r\n:1\r\n+OK\r\n");
});

batchTest("kv: CLIENT REPLY, MULTI and RESP3 apply to commands on bytes", async () => {
  await using client = new TestClient();
  client.send(["CLIENT", "REPLY", "SKIP"], ["SET", "a", "1"], ["MULTI"], ["GET", "a"], ["DISCARD"]);
  await until("a commit is awaited", () => client.map.awaited > 0);
  client.map.commit();
  await client.expect("+OK\r\n+QUEUED\r\n+OK\r\n");
  client.session.protocol = 3;
  client.send(["CLIENT", "REPLY", "OFF"], ["INCR", "a"], ["CLIENT", "REPLY", "ON"]);
  await until("the next commit is awaited", () => client.map.awaited > 1);
  client.map.commit();
  await client.expect("+OK\r\n");
  client.send(["HELLO", "3"], ["GET", "none"]);
  await until("all is answered", () => client.socket.output.endsWith("_\r\n"));
});

batchTest("kv: commands on bytes count as calls, and set lastActive", async () => {
  await using client = new TestClient();
  client.session.lastActiveMs = 0;
  client.send(["SET", "a", "1"], ["GET", "a"], ["GET", "b"]);
  await client.awaitsCommit();
  client.map.commit();
  await client.expect("+OK\r\n$1\r\n1\r\n$-1\r\n");
  assert.deepEqual([client.calls("set"), client.calls("get")], [1, 2]);
  assert.ok(client.session.lastActiveMs > 0);
});

batchTest(
  "kv: a store that is full or closed answers a command on bytes with an error",
  async () => {
    await using client = new TestClient();
    client.map.refusal = new OutOfMemoryError("full");
    client.send(["SET", "a", "1"], ["GET", "a"]);
    const oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    await client.expect(`${oom}$-1\r\n`);
    client.map.refusal = diskFull();
    client.send(["INCR", "a"], ["GET", "a"]);
    await client.expect(`${FAILED}$-1\r\n`);
    client.map.refusal = undefined;
    client.map.maxBytes = 0;
    client.map.ready = false;
    client.send(["GET", "a"]);
    await until("GET takes the other path", () => client.calls("get") === 3);
  },
);

batchTest("kv: a pause holds commands on bytes, and they go on afterwards", async () => {
  await using client = new TestClient();
  const { pause } = client.server.watch;
  pause.begin("write", 60_000);
  client.send(["GET", "a"], ["SET", "a", "1"], ["GET", "a"]);
  await client.expect("$-1\r\n");
  await nextTurn();
  assert.equal(client.socket.output, "");
  pause.end();
  await until("the write waits for its commit", () => client.map.awaited > 0);
  client.map.commit();
  await client.expect("+OK\r\n$1\r\n1\r\n");
  assert.equal(client.calls("set"), 1);
});

batchTest("kv: a low threshold of the slow log covers commands on bytes", async () => {
  await using client = new TestClient();
  const { watch } = client.server;
  client.send(["GET", "a"]);
  await client.expect("$-1\r\n");
  assert.equal(watch.slowLog.entries.length, 0);
  watch.setSlowerThan(0);
  client.send(["GET", "a"]);
  await client.expect("$-1\r\n");
  assert.deepEqual(watch.slowLog.entries.map(({ words }) => words), [["GET", "a"]]);
});
