/**
 * Expiry with a clock that the test controls: commands run on a transaction with a fixed time.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CursorTable } from "../../../lib/kv/commands/cursors.ts";
import { EXPIRY_COMMANDS } from "../../../lib/kv/commands/expiry.ts";
import type { Reply } from "../../../lib/kv/resp/reply.ts";
import { Request } from "../../../lib/kv/resp/request.ts";
import { TransactionOverlay } from "../../../lib/kv/session/transaction_overlay.ts";
import { testPeer } from "../byte_map.ts";

const NOW_MS = 1_700_000_000_000;

/** Runs commands on key "a" one after another at {@linkcode NOW_MS}; the last reply. */
function replyTo(expiresAtMs: number, ...commands: string[]): Reply {
  const transaction = new TransactionOverlay(NOW_MS);
  const entry = { value: "v", version: 1, expiresAtMs };
  transaction.add({ space: 0, key: "a" }, expiresAtMs === -1 ? undefined : entry);
  const publisher = testPeer().channels;
  const context = { db: 0, maxValueBytes: 1000, cursors: new CursorTable(), publisher };
  let reply: Reply = null;
  for (const command of commands) {
    const words = command.split(" ");
    const { action } = EXPIRY_COMMANDS.find(({ name }) => name === words[0]!.toLowerCase())!;
    assert.ok(action.kind === "keys");
    reply = action.prepare(Request.of(...words), context).run(transaction);
  }
  return reply;
}

Deno.test("TTL rounds the time left to the nearest second, PTTL does not round", () => {
  const cases: [leftMs: number, ttl: number][] = [
    [1, 0],
    [499, 0],
    [500, 1],
    [49_499, 49],
    [49_500, 50],
    [50_000, 50],
    [50_499, 50],
    [50_500, 51],
  ];
  for (const [leftMs, ttl] of cases) {
    assert.equal(replyTo(NOW_MS + leftMs, "TTL a"), ttl, `${leftMs} ms left`);
    assert.equal(replyTo(NOW_MS + leftMs, "PTTL a"), leftMs);
  }
});

Deno.test("TTL tells a key that never expires from one that does not exist", () => {
  for (const command of ["TTL a", "PTTL a", "EXPIRETIME a", "PEXPIRETIME a"]) {
    assert.equal(replyTo(0, command), -1, command);
    assert.equal(replyTo(-1, command), -2, command);
  }
});

Deno.test("EXPIRE counts from the clock of the transaction", () => {
  assert.equal(replyTo(0, "EXPIRE a 50", "TTL a"), 50);
  assert.equal(replyTo(0, "EXPIRE a 50", "PEXPIRETIME a"), NOW_MS + 50_000);
  assert.equal(replyTo(0, "PEXPIRE a 50", "PTTL a"), 50);
  assert.equal(replyTo(0, `PEXPIREAT a ${NOW_MS + 7}`, "PTTL a"), 7);
});

Deno.test("EXPIRE with a time that has passed removes the key", () => {
  const past = ["EXPIRE a 0", "PEXPIRE a -1", `PEXPIREAT a ${NOW_MS}`, "EXPIREAT a 1"];
  for (const command of past) {
    assert.equal(replyTo(0, command), 1, command);
    assert.equal(replyTo(0, command, "TTL a"), -2, command);
  }
  assert.equal(replyTo(0, `PEXPIREAT a ${NOW_MS + 1}`, "PTTL a"), 1);
});
