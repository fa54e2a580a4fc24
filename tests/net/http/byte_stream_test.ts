import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { ByteStream } from "../../../lib/net/http/byte_stream.ts";

/** A reply that accepts bytes only when it is told to. */
class FakeResponse extends EventEmitter {
  destroyed = false;
  readonly accept: (() => void)[] = [];

  write(_bytes: Uint8Array, done: () => void): void {
    this.accept.push(done);
  }

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

Deno.test("ByteStream.write() waits until the client has accepted the bytes", async () => {
  const response = new FakeResponse();
  const stream = new ByteStream(response as unknown as ServerResponse);
  let written = false;
  const writing = stream.write(new Uint8Array(1)).then(() => written = true);
  await Promise.resolve();
  assert.equal(written, false);
  response.accept.shift()!();
  await writing;
});

Deno.test("ByteStream.write() fails for a client that stops reading or is gone, and at a stop", async () => {
  const slow = new FakeResponse();
  const stream = new ByteStream(slow as unknown as ServerResponse, { stallMs: 10 });
  await assert.rejects(stream.write(new Uint8Array(1)), /the client has read nothing for 0.01 s/);
  assert.equal(slow.destroyed, true);
  await assert.rejects(stream.write(new Uint8Array(1)), /the client has read nothing/);

  const gone = new FakeResponse();
  const cut = new ByteStream(gone as unknown as ServerResponse);
  const writing = assert.rejects(cut.write(new Uint8Array(1)), /the client has disconnected/);
  gone.emit("close");
  await writing;

  const stopped = new ByteStream(new FakeResponse() as unknown as ServerResponse);
  stopped.fail("the server stops");
  await assert.rejects(stopped.write(new Uint8Array(1)), /the server stops/);
});
