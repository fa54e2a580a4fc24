import type { TableOwner } from "../../storage/commit_log.ts";
import { latin1From, valueBytes } from "../../storage/value.ts";
import type { JobId } from "../queue.ts";
import {
  checkVersion,
  decodeKey,
  encodeKey,
  type KeyFields,
  LOST_RECORD,
} from "./condition_records.ts";
import { IdBlocks } from "./id_blocks.ts";
import { IdTable } from "./id_table.ts";
import type { Job, JobTube } from "./job.ts";
import type { JobMemory } from "./job_memory.ts";
import {
  decodeJob,
  decodeMove,
  decodeResult,
  encodeId,
  encodeJobHead,
  encodeMove,
  encodeResultHead,
  readId,
} from "./records.ts";
import type { Result } from "./results.ts";
import type { TimedKey } from "./unique_keys.ts";

/** What the tables need of the queue. */
export interface QueueRecords {
  jobs(): IdTable<Job>;
  result(id: JobId): Result | undefined;
  /** A key that is held for a fixed time, by the id of its job. */
  key(id: JobId): TimedKey | undefined;
  /** Whether a job was deleted without being done, while others are held for it. */
  isLost(id: JobId): boolean;
  tube(name: string): JobTube;
  /** For the bytes of jobs. */
  memory(): JobMemory;
}

/**
 * The owners of a journal's tables, and what they have loaded. Jobs are loaded into the queue, but
 * not in their places. A piece of the table of jobs includes their moves, so the table of moves has
 * no pieces. On a full disk no job is added, but what becomes of the jobs is still written: all
 * other tables but that of keys are vital.
 */
export class JournalTables {
  /** Results, timed keys and deletions as loaded. The journal takes them out. */
  readonly loadedResults = new IdTable<Result>();
  readonly loadedKeys = new Map<JobId, KeyFields>();
  readonly loadedLost = new Set<JobId>();
  /** The first id that is not claimed. */
  nextId = 0;
  readonly jobs: IdBlocks;
  readonly results: IdBlocks;
  readonly keys: IdBlocks;
  readonly lost: IdBlocks;
  readonly moves: TableOwner;
  readonly meta: TableOwner;
  #nextIdVersion = 0;
  #loading: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();

  constructor(records: QueueRecords) {
    const { loadedResults, loadedKeys } = this;
    const busy = () => this.#loading?.promise;
    let lastTube: JobTube | undefined;
    const tubeOf = (bytes: Uint8Array, start: number, end: number) => {
      if (lastTube === undefined || !isText(lastTube.name, bytes, start, end)) {
        lastTube = records.tube(latin1From(bytes, start, end));
      }
      return lastTube;
    };
    const load = (id: JobId, bytes: Uint8Array, start: number, end: number) => {
      const job = decodeJob(id, bytes, start, end, { memory: records.memory(), tubeOf });
      records.jobs().set(id, job);
      return job;
    };
    this.jobs = new IdBlocks({
      entry: (id) => {
        const job = records.jobs().get(id);
        if (job === undefined) return undefined;
        return {
          first: [encodeJobHead(job).slice(), valueBytes(job.body)],
          second: job.moved ? [encodeMove(job).slice(), valueBytes(job.reason)] : [],
        };
      },
      loadEntry: (id, bytes, start, middle, end) => {
        const job = load(id, bytes, start, middle);
        if (end > middle) decodeMove(job, bytes, { start: middle, end, tubeOf });
      },
      load,
      remove: (id) => {
        records.jobs().get(id)?.free();
        records.jobs().delete(id);
      },
    }, { busy, vital: false });
    this.results = new IdBlocks({
      entry: (id) => {
        const result = records.result(id);
        if (result === undefined) return undefined;
        return { first: [encodeResultHead(result).slice(), valueBytes(result.body)], second: [] };
      },
      loadEntry: (id, bytes, start, middle) =>
        loadedResults.set(id, decodeResult(id, bytes.subarray(start, middle))),
      load: (id, bytes, start, end) =>
        loadedResults.set(id, decodeResult(id, bytes.subarray(start, end))),
      remove: (id) => loadedResults.delete(id),
    }, { busy, vital: true });
    this.keys = new IdBlocks({
      entry: (id) => {
        const key = records.key(id);
        return key && { first: [encodeKey(key)], second: [] };
      },
      loadEntry: (id, bytes, start, middle) =>
        loadedKeys.set(id, decodeKey(id, bytes.subarray(start, middle))),
      load: (id, bytes, start, end) =>
        loadedKeys.set(id, decodeKey(id, bytes.subarray(start, end))),
      remove: (id) => loadedKeys.delete(id),
    }, { busy, vital: false });
    this.lost = new IdBlocks({
      entry: (id) => records.isLost(id) ? { first: [LOST_RECORD], second: [] } : undefined,
      loadEntry: (id, bytes, start) => this.#loadLost(id, bytes[start]!),
      load: (id, bytes, start) => this.#loadLost(id, bytes[start]!),
      remove: (id) => this.loadedLost.delete(id),
    }, { busy, vital: true });
    this.moves = {
      vital: true,
      busy: () => undefined,
      pieces: () => [],
      pieceChangedSince: () => false,
      copyPiece: () => [],
      loadPiece: () => {},
      loadPut: (bytes, start, middle, end, version) => {
        const id = readId(bytes, start);
        const job = records.jobs().get(id);
        if (job === undefined || this.jobs.includes(id, version)) return;
        this.jobs.change(id, version);
        decodeMove(job, bytes, { start: middle, end, tubeOf });
      },
      loadDelete: () => {},
    };
    this.meta = {
      vital: true,
      busy: () => undefined,
      pieces: () => [0],
      pieceChangedSince: (_, version) => this.#nextIdVersion > version,
      copyPiece: () => this.nextId === 0 ? [] : [encodeId(this.nextId)],
      loadPiece: (_, bytes, version) => this.claim(readId(bytes, 0), version),
      loadPut: (bytes, _, middle, __, version) => this.claim(readId(bytes, middle), version),
      loadDelete: () => {},
    };
  }

  /** The owners of all tables by name, in the order of the list in log_journal.ts. */
  byName(schedules: TableOwner): Record<string, TableOwner> {
    return {
      task_jobs: this.jobs,
      task_moves: this.moves,
      task_results: this.results,
      task_schedules: schedules,
      task_keys: this.keys,
      task_lost: this.lost,
      task_meta: this.meta,
    };
  }

  /** Everything loaded is in the queue. */
  loaded(): void {
    this.loadedResults.clear();
    this.loadedKeys.clear();
    this.loadedLost.clear();
    this.#loading?.resolve();
    this.#loading = undefined;
  }

  #loadLost(id: JobId, version: number): void {
    checkVersion(version);
    this.loadedLost.add(id);
  }

  /** Notes that all ids before this one are claimed. */
  claim(nextId: JobId, version: number): void {
    this.nextId = nextId;
    this.#nextIdVersion = version;
  }
}

/** Whether a range of bytes is this text. */
function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let at = start; at < end; at++) if (text.charCodeAt(at - start) !== bytes[at]) return false;
  return true;
}
