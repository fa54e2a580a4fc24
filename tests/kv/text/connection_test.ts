/**
 * Lines that run on ranges of bytes, on a store whose commits the test decides.
 *
 * @module
 */

import assert from "node:assert/strict";
import { TextConnection } from "../../../lib/kv/text/connection.ts";
import type { Connection } from "../../../lib/net/connection.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { ControlledTurns } from "../../support/controlled_turns.ts";
import { until, within } from "../../support/within.ts";
import { ByteMap, serverOn, TestSocket } from "../byte_map.ts";
import { latin1Bytes } from "../support.ts";

/** Registers a test in which no batch ends early because the machine is busy. */
function batchTest(name: string, run: () => Promise<void>): void {
  Deno.test(name, async () => {
    using _turns = new ControlledTurns(() => false);
    await run();
  });
}

const FAILED = "ERR storage unavailable: the disk is full\n";

/** A client of a connection that runs in this process. */
class TestClient implements AsyncDisposable {
  readonly map = new ByteMap();
  readonly server = serverOn(this.map);
  readonly socket = new TestSocket();
  readonly #served: Promise<void>;

  constructor() {
    const socket = this.socket as unknown as Connection;
    this.#served = new TextConnection(socket, new Uint8Array(0), this.server).serve();
  }

  /** Sends lines in one packet, and waits until the server waits for a commit. */
  async send(lines: string): Promise<void> {
    this.socket.send(latin1Bytes(lines));
    await until("the server waits for a commit", () => this.map.awaited > 0);
    assert.equal(this.socket.output, "");
  }

  /** Waits for an output. */
  async expect(output: string): Promise<void> {
    await until(`${output.length} bytes arrive`, () => this.socket.output.length >= output.length);
    assert.equal(this.socket.output, output);
    this.socket.output = "";
  }

  /** Waits for lines of output. */
  async lines(count: number): Promise<string[]> {
    const read = () => this.socket.output.split("\n").slice(0, -1);
    await until(`${count} lines arrive`, () => read().length >= count);
    const lines = read();
    this.socket.output = "";
    return lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.end();
    await within(60_000, "the end of the connection", this.#served);
  }
}

batchTest("text protocol: a reply is sent once its change is durable", async () => {
  await using client = new TestClient();
  await client.send("put a  1 \nGET\ta \nget b\nDELETE a\nDELETE a\nPUT b \nGET b\n");
  client.map.commit();
  await client.expect("OK\nVALUE  1 \nNOT_FOUND\nOK\nNOT_FOUND\nOK\nVALUE \n");
  const { textCalls } = client.server.metrics;
  assert.deepEqual(Object.fromEntries(textCalls), { put: 2, get: 3, delete: 2 });
});

batchTest(
  "text protocol: if the commit fails, exactly the replies that depend on it become errors",
  async () => {
    await using client = new TestClient();
    client.map.set("old", latin1Bytes("x\ny"));
    client.map.commit();
    await client.send("GET old\nPUT a 1\nGET old\nGET a\nGET none\nCAS a 1 2\nPUT b 3\nGET old\n");
    client.map.fail(new StorageUnavailableError("storage unavailable: the disk is full"));
    const old = "VALUE x\\ny\n";
    await client.expect(`${old}${FAILED}${old}${FAILED}NOT_FOUND\n${FAILED}${FAILED}${old}`);
    assert.equal(client.server.metrics.errors.get("ERR"), 4);
  },
);

batchTest(
  "text protocol: escapes and errors mean the same in lines that run on bytes",
  async () => {
    await using client = new TestClient();
    await client.send(
      "PUT a\\sb x\\ny\nGET a\\sb\nPUT a\nGET\nGET a b\nGETX a\nPUT c a\\qb\nGET d\n",
    );
    client.map.commit();
    await until("all is answered", () => client.socket.output.endsWith("NOT_FOUND\n"));
    const lines = client.socket.output.split("\n");
    assert.deepEqual(lines.slice(0, 2), ["OK", "VALUE x\\ny"]);
    assert.deepEqual(lines.slice(2, 7).map((line) => line.slice(0, 4)), Array(5).fill("ERR "));
  },
);

batchTest("text protocol: a second word after the key of GET or DELETE is an error", async () => {
  await using client = new TestClient();
  await client.send("PUT a 1\nGET a b\nDELETE a b\nDELETE\ta\tb \nGET a\t \n");
  client.map.commit();
  const lines = await client.lines(5);
  assert.deepEqual([lines[0], lines[4]], ["OK", "VALUE 1"]);
  for (const line of lines.slice(1, 4)) assert.match(line, /^ERR /);
  assert.equal(client.map.entries.size, 1);
});
