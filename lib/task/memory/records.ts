/**
 * The format of jobs and results in a commit log. Numbers are little-endian. The first byte of each
 * record is the version of the format.
 *
 * ```
 * job     version u8 · priority u32 · delay f64 · ttr f64 · created f64 · due f64
 *         · tube length u8 · key length u8 · tube · key · body
 *         In version 2, for jobs with options: · tube length u8 · options length u16 · tube
 *         · options · body
 * move    version u8 · state u8 · priority u32 · delay f64 · due f64 · reserves u32 · timeouts u32
 *         · releases u32 · buries u32 · kicks u32 · attempts u32 · reason
 *         In version 2, for jobs that have gone to another tube: · … · attempts u32 · tube length u8
 *         · death: tube length u8 (0 for none, 255 if it was a dead letter before) · attempts u32
 *         · reason length u16 · tube · death: tube · reason · reason
 * result  version u8 · expires f64 · body
 *         or, since version 2: version u8 · expires f64 · state u8 (0 done, 1 cancelled) · body
 * ```
 *
 * The result of a done job is still written in version 1, which older programs can read.
 *
 * Times are milliseconds since the Unix epoch. "due" is when a delayed job becomes ready or when a
 * buried one was buried, otherwise 0. The key of a record is the id of the job, eight bytes
 * big-endian, so that a table is sorted by id.
 *
 * @module
 */

import { copyValue, latin1From, valueFrom } from "../../storage/value.ts";
import { decodeOptions, encodeOptions, keyOptions, soleKey } from "../job_options.ts";
import type { JobDeath, JobId, JobState, KeptState } from "../queue.ts";
import { checkVersion } from "./condition_records.ts";
import { Job, type JobTube } from "./job.ts";
import { type JobMemory, TIME } from "./job_memory.ts";
import { Result } from "./results.ts";

const VERSION = 1;
/** The version of jobs that have options beyond a unique key. */
const OPTIONS_VERSION = 2;
const JOB_HEAD_BYTES = 39;
/** Longer than {@linkcode JOB_HEAD_BYTES} by the second byte of the length of the options. */
const OPTIONS_HEAD_BYTES = 40;
const MOVE_HEAD_BYTES = 46;
/** The version of moves to another tube. */
const STRAYED_VERSION = 2;
const STRAYED_HEAD_BYTES = MOVE_HEAD_BYTES + 8;
/** Longer than any name of a tube. */
const REVIVED = 255;
const RESULT_HEAD_BYTES = 9;
const RESULT_VERSION = 2;
/** The longest tube and key of 200 bytes each, 64 ids of 17, and 400 bytes for everything else. */
const MAX_NAMES_BYTES = 2 * 200 + 64 * 17 + 400;
const STATES: readonly JobState[] = ["ready", "delayed", "buried", "held"];
const KEPT_STATES: readonly KeptState[] = ["done", "cancelled"];

const scratch = new Uint8Array(JOB_HEAD_BYTES + MAX_NAMES_BYTES);
const view = new DataView(scratch.buffer);

/** The key of the records of a job. */
export function idKey(id: JobId): string {
  const high = Math.floor(id / 2 ** 32);
  const low = id >>> 0;
  return String.fromCharCode(
    high >>> 24,
    high >>> 16 & 255,
    high >>> 8 & 255,
    high & 255,
    low >>> 24,
    low >>> 16 & 255,
    low >>> 8 & 255,
    low & 255,
  );
}

/** The id in a key: eight bytes, from an index on. */
export function readId(bytes: Uint8Array, at: number): JobId {
  let id = 0;
  for (const end = at + 8; at < end; at++) id = id * 256 + bytes[at]!;
  return id;
}

/** Encodes an id as a record. */
export function encodeId(id: JobId): Uint8Array {
  return Uint8Array.from(idKey(id), (character) => character.charCodeAt(0));
}

/** Encodes what precedes the body of a job; valid until the next record is encoded. */
export function encodeJobHead(job: Job): Uint8Array {
  const { name } = job.tube;
  const { options } = job;
  const key = soleKey(options);
  view.setUint8(0, key === undefined ? OPTIONS_VERSION : VERSION);
  view.setUint32(1, job.priority, true);
  view.setFloat64(5, job.delayMs, true);
  view.setFloat64(13, job.ttrMs, true);
  view.setFloat64(21, job.createdAt, true);
  view.setFloat64(29, job.state === "delayed" ? job.dueAt : 0, true);
  view.setUint8(37, name.length);
  const text = key ?? encodeOptions(options!);
  if (key !== undefined) view.setUint8(38, text.length);
  else view.setUint16(38, text.length, true);
  const nameStart = key === undefined ? OPTIONS_HEAD_BYTES : JOB_HEAD_BYTES;
  copyValue(name, scratch, nameStart);
  copyValue(text, scratch, nameStart + name.length);
  return scratch.subarray(0, nameStart + name.length + text.length);
}

/** What a job needs besides its record. */
export interface JobOwners {
  memory: JobMemory;
  /** The tube whose name is a range of bytes. */
  tubeOf(bytes: Uint8Array, start: number, end: number): JobTube;
}

/**
 * Decodes a job: `bytes[start]` to `bytes[end - 1]`.
 *
 * @throws {Error} If a newer version wrote the record.
 */
export function decodeJob(
  id: JobId,
  bytes: Uint8Array,
  start: number,
  end: number,
  { memory, tubeOf }: JobOwners,
): Job {
  readHead(bytes, start, { length: OPTIONS_HEAD_BYTES, newest: OPTIONS_VERSION });
  const hasOptions = view.getUint8(0) === OPTIONS_VERSION;
  const tubeAt = start + (hasOptions ? OPTIONS_HEAD_BYTES : JOB_HEAD_BYTES);
  const textAt = tubeAt + view.getUint8(37);
  const bodyAt = textAt + (hasOptions ? view.getUint16(38, true) : view.getUint8(38));
  const text = latin1From(bytes, textAt, bodyAt);
  const options = hasOptions ? decodeOptions(text) : keyOptions(text);
  const record = memory.addRange(bytes, bodyAt, end);
  memory.setTime(record, TIME.delay, view.getFloat64(5, true));
  memory.setTime(record, TIME.ttr, view.getFloat64(13, true));
  memory.setTime(record, TIME.created, view.getFloat64(21, true));
  const job = new Job(memory, record, {
    id,
    tube: tubeOf(bytes, tubeAt, textAt),
    priority: view.getUint32(1, true),
    options,
  });
  job.dueAt = view.getFloat64(29, true);
  if (job.dueAt > 0) job.state = "delayed";
  if (options !== null && options.after.length > 0) job.state = "held";
  return job;
}

/** Encodes what precedes the reason in a move; valid until the next record is encoded. */
export function encodeMove(job: Job): Uint8Array {
  view.setUint8(0, VERSION);
  // After a restart no worker holds a job, so one that is reserved is ready then.
  view.setUint8(1, STATES.indexOf(job.state === "reserved" ? "ready" : job.state));
  view.setUint32(2, job.priority, true);
  view.setFloat64(6, job.delayMs, true);
  view.setFloat64(14, job.state === "delayed" || job.state === "buried" ? job.dueAt : 0, true);
  view.setUint32(22, job.reserves, true);
  view.setUint32(26, job.timeouts, true);
  view.setUint32(30, job.releases, true);
  view.setUint32(34, job.buries, true);
  view.setUint32(38, job.kicks, true);
  view.setUint32(42, job.attempts, true);
  if (!job.strayed) return scratch.subarray(0, MOVE_HEAD_BYTES);
  const { tube: { name }, death } = job;
  view.setUint8(0, STRAYED_VERSION);
  view.setUint8(46, name.length);
  view.setUint8(47, death?.tube.length ?? (job.revived ? REVIVED : 0));
  view.setUint32(48, death?.attempts ?? 0, true);
  view.setUint16(52, death?.reason.length ?? 0, true);
  let end = STRAYED_HEAD_BYTES;
  for (const text of [name, death?.tube ?? "", death?.reason ?? ""]) {
    copyValue(text, scratch, end);
    end += text.length;
  }
  return scratch.subarray(0, end);
}

/**
 * Applies a move to its job: `bytes[start]` to `bytes[end - 1]`.
 *
 * @throws {Error} If a newer version wrote the record.
 */
export function decodeMove(
  job: Job,
  bytes: Uint8Array,
  { start, end, tubeOf }: {
    start: number;
    end: number;
    tubeOf: (bytes: Uint8Array, start: number, end: number) => JobTube;
  },
): void {
  readHead(bytes, start, { length: MOVE_HEAD_BYTES, newest: STRAYED_VERSION });
  job.moved = true;
  let reasonStart = start + MOVE_HEAD_BYTES;
  let death: JobDeath | null = null;
  if (view.getUint8(0) === STRAYED_VERSION) {
    readHead(bytes, start, { length: STRAYED_HEAD_BYTES, newest: STRAYED_VERSION });
    const tubeEnd = start + STRAYED_HEAD_BYTES + view.getUint8(46);
    const deathTubeLength = view.getUint8(47);
    if (deathTubeLength === REVIVED) job.revive();
    const deathTubeEnd = tubeEnd + (deathTubeLength === REVIVED ? 0 : deathTubeLength);
    reasonStart = deathTubeEnd + view.getUint16(52, true);
    if (deathTubeEnd > tubeEnd) {
      death = {
        tube: latin1From(bytes, tubeEnd, deathTubeEnd),
        attempts: view.getUint32(48, true),
        reason: latin1From(bytes, deathTubeEnd, reasonStart),
      };
    }
    job.stray(tubeOf(bytes, start + STRAYED_HEAD_BYTES, tubeEnd));
  }
  job.reserves = view.getUint32(22, true);
  job.set({
    state: STATES[view.getUint8(1)]!,
    priority: view.getUint32(2, true),
    delayMs: view.getFloat64(6, true),
    ttrMs: job.ttrMs,
    dueAt: view.getFloat64(14, true),
    timeouts: view.getUint32(26, true),
    releases: view.getUint32(30, true),
    buries: view.getUint32(34, true),
    kicks: view.getUint32(38, true),
    attempts: view.getUint32(42, true),
    reason: latin1From(bytes, reasonStart, end),
    death,
  });
}

/** Encodes what precedes the body of a result; valid until the next record is encoded. */
export function encodeResultHead(result: Result): Uint8Array {
  view.setUint8(0, result.state === "done" ? VERSION : RESULT_VERSION);
  view.setFloat64(1, result.expiresAt, true);
  if (result.state === "done") return scratch.subarray(0, RESULT_HEAD_BYTES);
  view.setUint8(RESULT_HEAD_BYTES, KEPT_STATES.indexOf(result.state));
  return scratch.subarray(0, RESULT_HEAD_BYTES + 1);
}

/**
 * Decodes a result.
 *
 * @throws {Error} If a newer version wrote the record.
 */
export function decodeResult(id: JobId, record: Uint8Array): Result {
  const view = viewOf(record, RESULT_VERSION);
  const hasState = view.getUint8(0) >= RESULT_VERSION;
  return new Result(id, {
    state: hasState ? KEPT_STATES[view.getUint8(RESULT_HEAD_BYTES)]! : "done",
    body: valueFrom(record, RESULT_HEAD_BYTES + (hasState ? 1 : 0)),
    expiresAt: view.getFloat64(1, true),
  });
}

/** Copies the head of a record to where numbers can be read from it. */
function readHead(
  bytes: Uint8Array,
  start: number,
  { length, newest = VERSION }: { length: number; newest?: number },
): void {
  checkVersion(bytes[start]!, newest);
  for (let at = 0; at < length; at++) scratch[at] = bytes[start + at]!;
}

function viewOf(record: Uint8Array, newest: number): DataView {
  checkVersion(record[0]!, newest);
  return new DataView(record.buffer, record.byteOffset, record.byteLength);
}
