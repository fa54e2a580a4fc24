/**
 * The order of a monitor's lines and replies, and the limit on lines that wait for a reply.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Monitors } from "../../../lib/kv/monitors.ts";
import { ClientOutput } from "../../../lib/kv/session/client_output.ts";
import { Connection } from "../../../lib/net/connection.ts";
import type { Socket } from "../../../lib/net/pipe.ts";
import { latin1Bytes, latin1Text } from "../support.ts";

const MONITOR_ID = 1, OTHER_ID = 2;

/** The socket of a monitor that accepts all output at once. */
class Sent implements Socket {
  text = "";
  closed = false;

  read(): Promise<null> {
    return Promise.resolve(null);
  }

  write(bytes: Uint8Array): Promise<number> {
    this.text += latin1Text(bytes);
    return Promise.resolve(bytes.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
  }
}

/** A monitor that has received the reply to MONITOR. */
async function startMonitor(onSlow = () => {}) {
  const sent = new Sent(), monitors = new Monitors(() => {});
  const output = new ClientOutput(new Connection(sent, MONITOR_ID, "test"), monitors, onSlow);
  output.monitor(true);
  await output.write(latin1Bytes("+OK\n"));
  output.replied();
  return { sent, monitors, output };
}

/** A line as monitors get it. */
function line(text: string) {
  return { bytes: latin1Bytes(text), ends: [text.length] };
}

/** Ends the monitor, which waits until everything has been written. */
async function end(output: ClientOutput): Promise<void> {
  output.monitor(false);
  await output.write(latin1Bytes("end"));
}

Deno.test("a monitor's line waits for its own reply; lines of others do not", async () => {
  const { sent, output } = await startMonitor();
  output.offer(line("own\n"), MONITOR_ID);
  output.offer(line("other\n"), OTHER_ID);
  await output.write(latin1Bytes("$5\n"));
  output.offer(line("during the reply\n"), OTHER_ID);
  await output.write(latin1Bytes("reply\n"));
  output.replied();
  output.offer(line("after\n"), OTHER_ID);
  await end(output);
  assert.equal(sent.text, "+OK\nother\n$5\nreply\nown\nduring the reply\nafter\nend");
});

Deno.test("no line comes before the reply to MONITOR, and none after RESET", async () => {
  const { sent, output } = await startMonitor();
  output.monitor(false);
  await output.write(latin1Bytes("+RESET\n"));
  output.replied();
  output.monitor(true);
  output.offer(line("own\n"), MONITOR_ID);
  output.monitor(false);
  output.monitor(true);
  output.offer(line("early\n"), OTHER_ID);
  await output.write(latin1Bytes("+OK again\n"));
  output.replied();
  await end(output);
  assert.equal(sent.text, "+OK\n+RESET\n+OK again\nearly\nend");
});

Deno.test("a monitor is disconnected when 1 MiB of lines wait for the end of a reply", async () => {
  let slow = 0;
  const { monitors, output, sent } = await startMonitor(() => slow++);
  await output.write(latin1Bytes("begun"));
  for (let kib = 0; kib < 1024; kib++) output.offer(line("x".repeat(1024)), OTHER_ID);
  assert.deepEqual([slow, monitors.size], [0, 1]);
  output.offer(line("x"), OTHER_ID);
  assert.deepEqual([slow, monitors.size, sent.closed], [1, 0, true]);
  output.replied();
  assert.equal(sent.text, "+OK\nbegun");
});
