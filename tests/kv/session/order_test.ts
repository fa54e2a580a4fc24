/**
 * The order of one client's commands while the disk is so far behind that writes wait.
 *
 * @module
 */

import assert from "node:assert/strict";
import { RespConnection } from "../../../lib/kv/session/connection.ts";
import { Session, type SessionServer } from "../../../lib/kv/session/session.ts";
import { TextConnection, type TextServer } from "../../../lib/kv/text/connection.ts";
import type { Connection } from "../../../lib/net/connection.ts";
import { ReadBuffer } from "../../../lib/net/read_buffer.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { nextTurn } from "../../../lib/turn.ts";
import { until, within } from "../../support/within.ts";
import { HeldLog } from "../../storage/memory/held_log.ts";
import { bytes } from "../../storage/store_suite.ts";
import { ByteMap, serverOn, testPeer, TestSocket } from "../byte_map.ts";
import { latin1Bytes } from "../support.ts";

const FAR_BEHIND_BYTES = 1024 * 1024 * 1024;

/** Sends requests in one packet while writes wait; checks what the server then replies. */
async function expectInOrder(
  serve: (server: SessionServer & TextServer, socket: TestSocket) => Promise<void>,
  requests: string,
  replies: string,
): Promise<void> {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  store.bytes.put(0, bytes("a"), 0, 1, bytes("0"), 0, 1, 0);
  log.commit();
  log.gatheringBytes = FAR_BEHIND_BYTES;
  store.bytes.put(0, bytes("b"), 0, 1, bytes("0"), 0, 1, 0);
  assert.equal(store.bytes.ready, false);
  const socket = new TestSocket();
  const served = serve({ ...serverOn(new ByteMap()), store }, socket);
  socket.send(latin1Bytes(requests));
  await nextTurn();
  assert.equal(socket.output, "");
  await until("all replies arrive", () => {
    log.commit();
    return socket.output.length >= replies.length;
  });
  assert.equal(socket.output, replies);
  socket.end();
  await within(60_000, "the end of the connection", served);
  log.commit();
  await store.close();
}

Deno.test("kv: a read does not overtake the same client's write that waits for the disk", async () => {
  await expectInOrder(
    (server, socket) =>
      new RespConnection(socket, new ReadBuffer({ maxBytes: 1e6 }), new Session(server, testPeer()))
        .serve(),
    "SET a 1\r\nGET a\r\nDEL a\r\nEXISTS a\r\nMULTI\r\nSET a 2\r\nEXEC\r\nSTRLEN a\r\nGET a\r\n",
    "+OK\r\n$1\r\n1\r\n:1\r\n:0\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n:1\r\n$1\r\n2\r\n",
  );
});

Deno.test("text protocol: a read does not overtake the same client's write either", async () => {
  await expectInOrder(
    (server, socket) =>
      new TextConnection(socket as unknown as Connection, new Uint8Array(0), server).serve(),
    "PUT a 1\nGET a\nDELETE a\nGET a\n",
    "OK\nVALUE 1\nOK\nNOT_FOUND\n",
  );
});
