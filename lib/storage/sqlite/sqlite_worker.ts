/**
 * The thread that owns the SQLite file.
 *
 * Small groups, which are nearly all, come through shared memory: the thread sleeps in
 * `Atomics.wait`, and no message and no timer is on their way. Everything else comes as messages,
 * which are announced in the shared memory, because a sleeping thread receives none.
 *
 * The functions of the worker are never called here. Their source code becomes the module of the
 * worker, as a `data:` URL, which is the only form that a plain run, a bundle and a compiled
 * executable can all load without a separate file. Therefore they must not use anything from outside
 * themselves but types.
 *
 * @module
 */

import { cleanFile, type Cleaning } from "./clean_file.ts";
import { connection, type LogFileOptions, type Modules } from "./connection.ts";
import { type FileState, type Group, type LogFile, logFile } from "./log_file.ts";
import type { Page, Parts, Reading } from "./log_file.ts";
import { reserve } from "./reserve.ts";
import { scanFile } from "./scan_file.ts";

/** A request to the worker. Each one gets one reply, in order. */
export type SqliteRequest =
  /** Opens the file. `shared` are the memory of {@linkcode SHARED} and the buffers of groups. */
  | { kind: "open"; options: LogFileOptions; shared: readonly SharedArrayBuffer[] }
  /** Begins to read the file, from the start. */
  | ({ kind: "begin reading" } & Reading)
  /** Reads on until what was found exceeds a size. */
  | { kind: "read"; maxBytes: number }
  /** Commits a group. */
  | { kind: "commit"; group: Group }
  /** Removes some of what is needed no more. */
  | { kind: "clean"; cleaning: Cleaning }
  | { kind: "close" };

/** A reply of the worker. */
export type SqliteReply =
  | { kind: "opened"; state: FileState }
  | { kind: "read"; page: Page }
  | { kind: "cleaned"; more: boolean }
  | { kind: "done" }
  /** The request failed; `code` is SQLite's result code if SQLite refused it. */
  | { kind: "failed"; code: number | undefined; message: string }
  /** The same for the group in the shared memory, which was no request. */
  | { kind: "group failed"; code: number | undefined; message: string };

/**
 * The layout of the shared memory: first 32-bit numbers at these indices, then, from byte
 * `groupAt` on, the group to commit as four 64-bit floats: first and last version, length, and which
 * buffer it is in; a negative length if the group frees space.
 */
export const SHARED = {
  /** Changes whenever there is something to do. */
  signal: 0,
  /** The number of messages sent. */
  messages: 1,
  /** The number of groups handed over, and of those that have ended. */
  groups: 2,
  ended: 3,
  /** Whether the last group failed; then a message follows. */
  failed: 4,
  /** Whether the space kept for a full disk is in use. */
  short: 5,
  groupAt: 32,
  bytes: 64,
} as const;

/** Starts a worker thread. */
export function startSqliteWorker(): Worker {
  const source = `import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { statfsSync } from "node:fs";
const parts = { connection: ${connection}, scanFile: ${scanFile}, cleanFile: ${cleanFile}, reserve: ${reserve} };
(${sqliteWorker})(${logFile}, parts, { DatabaseSync, crc32, statfsSync }, ${
    JSON.stringify(SHARED)
  });`;
  return new Worker(`data:text/javascript,${encodeURIComponent(source)}`, {
    type: "module",
    name: "sqlite",
  });
}

/** The code of the worker. */
function sqliteWorker(
  create: typeof logFile,
  parts: Parts,
  modules: Modules,
  SHARED_LAYOUT: typeof SHARED,
): void {
  /** Errors after which to reopen the file: SQLite's CORRUPT, CANTOPEN, READONLY, NOTADB. */
  const reopenAfter = [11, 14, 8, 26];
  /** A shorter array is copied in less time than it takes to hand it over. */
  const minTransferBytes = 4096;
  const layout = SHARED_LAYOUT;
  let file: LogFile | undefined;
  let control: Int32Array<SharedArrayBuffer>;
  let group: Float64Array<SharedArrayBuffer>;
  let buffers: Uint8Array[] = [];
  let received = 0;
  let ended = 0;

  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<SqliteRequest>) => void;
    postMessage(reply: SqliteReply, transfer?: Transferable[]): void;
  };

  /** The long arrays of a reply, which are handed over instead of being copied. */
  function longArraysOf(reply: SqliteReply): Transferable[] {
    if (reply.kind !== "read") return [];
    return reply.page.found
      .map((part) => (part.kind === "piece" ? part.piece : part.row).bytes.buffer as ArrayBuffer)
      .filter(({ byteLength }) => byteLength >= minTransferBytes);
  }

  function answer(request: SqliteRequest): SqliteReply {
    switch (request.kind) {
      case "open": {
        const [memory, ...rest] = request.shared;
        control = new Int32Array(memory!, 0, layout.groupAt / 4);
        group = new Float64Array(memory!, layout.groupAt, 4);
        buffers = rest.map((buffer) => new Uint8Array(buffer));
        const opened = create(parts, modules, request.options);
        const state = opened.open();
        file = opened;
        noteSpace();
        return { kind: "opened", state };
      }
      case "begin reading":
        file!.beginReading(request);
        return { kind: "done" };
      case "read":
        return { kind: "read", page: file!.read(request.maxBytes) };
      case "commit":
        file!.commit(request.group);
        noteSpace();
        return { kind: "done" };
      case "clean": {
        const more = file!.clean(request.cleaning);
        noteSpace();
        return { kind: "cleaned", more };
      }
      case "close":
        file?.finish();
        return { kind: "done" };
    }
  }

  function failure(error: unknown, kind: "failed" | "group failed"): SqliteReply {
    noteSpace();
    const { errcode, errstr, message } = error as Error & { errcode?: number; errstr?: string };
    const code = errcode === undefined ? undefined : errcode & 0xff;
    if (code !== undefined && reopenAfter.includes(code)) file?.close();
    return { kind, code, message: code === undefined ? message : errstr ?? message };
  }

  function noteSpace(): void {
    if (file !== undefined) Atomics.store(control, layout.short, file.short ? 1 : 0);
  }

  function commitShared(): void {
    const number = Atomics.load(control, layout.groups);
    const [first, last, length, buffer] = group as unknown as [number, number, number, number];
    const bytes = buffers[buffer]!.subarray(0, Math.abs(length));
    Atomics.store(control, layout.failed, 0);
    try {
      file!.commit({ rows: [{ first, last, bytes }], frees: length < 0 });
      noteSpace();
    } catch (error) {
      Atomics.store(control, layout.failed, 1);
      scope.postMessage(failure(error, "group failed"));
    }
    ended = number;
    Atomics.store(control, layout.ended, ended);
    Atomics.notify(control, layout.ended);
  }

  /** Commits groups from the shared memory, until a message has been announced. */
  function serve(): void {
    for (;;) {
      const signal = Atomics.load(control, layout.signal);
      if (Atomics.load(control, layout.messages) !== received) return;
      if (Atomics.load(control, layout.groups) !== ended) commitShared();
      else Atomics.wait(control, layout.signal, signal);
    }
  }

  scope.onmessage = ({ data: request }) => {
    received = (received + 1) | 0;
    let reply: SqliteReply;
    try {
      reply = answer(request);
    } catch (error) {
      reply = failure(error, "failed");
    }
    scope.postMessage(reply, longArraysOf(reply));
    if (request.kind !== "close" && file !== undefined) serve();
  };
}
