import type { TableOwner } from "../../storage/commit_log.ts";
import { valueBytes } from "../../storage/value.ts";
import type { JobId } from "../queue.ts";
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

/** What the tables need of the queue. */
export interface QueueRecords {
  job(id: JobId): Job | undefined;
  result(id: JobId): Result | undefined;
  tube(name: string): JobTube;
  /** For the bytes of jobs. */
  memory(): JobMemory;
}

/**
 * The owners of a journal's tables, and what they have loaded. A piece of the table of jobs includes
 * their moves, so the table of moves has no pieces. On a full disk no job is added, but what becomes
 * of the jobs is still written: all other tables are vital.
 */
export class JournalTables {
  /** Jobs and results as loaded. The journal takes them out. */
  readonly loadedJobs = new IdTable<Job>();
  readonly loadedResults = new IdTable<Result>();
  /** The first id that is not claimed. */
  nextId = 0;
  readonly jobs: IdBlocks;
  readonly results: IdBlocks;
  readonly moves: TableOwner;
  readonly meta: TableOwner;
  #nextIdVersion = 0;
  #loading: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();

  constructor(records: QueueRecords) {
    const { loadedJobs, loadedResults } = this;
    const busy = () => this.#loading?.promise;
    const decode = (id: JobId, record: Uint8Array) =>
      decodeJob(id, record, {
        memory: records.memory(),
        tubeOf: (name: string) => records.tube(name),
      });
    this.jobs = new IdBlocks({
      entry: (id) => {
        const job = records.job(id);
        if (job === undefined) return undefined;
        return {
          first: [encodeJobHead(job).slice(), valueBytes(job.body)],
          second: job.moved ? [encodeMove(job).slice(), valueBytes(job.reason)] : [],
        };
      },
      loadEntry: (id, record, move) => {
        const job = decode(id, record);
        if (move.length > 0) decodeMove(job, move);
        loadedJobs.set(id, job);
      },
      load: (id, record) => loadedJobs.set(id, decode(id, record)),
      remove: (id) => {
        loadedJobs.get(id)?.free();
        loadedJobs.delete(id);
      },
    }, { busy, vital: false });
    this.results = new IdBlocks({
      entry: (id) => {
        const result = records.result(id);
        if (result === undefined) return undefined;
        return { first: [encodeResultHead(result).slice(), valueBytes(result.body)], second: [] };
      },
      loadEntry: (id, record) => loadedResults.set(id, decodeResult(id, record)),
      load: (id, record) => loadedResults.set(id, decodeResult(id, record)),
      remove: (id) => loadedResults.delete(id),
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
        const job = loadedJobs.get(id);
        if (job === undefined || this.jobs.includes(id, version)) return;
        this.jobs.change(id, version);
        decodeMove(job, bytes.subarray(middle, end));
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

  /** Everything loaded is in the queue. */
  loaded(): void {
    this.loadedJobs.clear();
    this.loadedResults.clear();
    this.#loading?.resolve();
    this.#loading = undefined;
  }

  /** Notes that all ids before this one are claimed. */
  claim(nextId: JobId, version: number): void {
    this.nextId = nextId;
    this.#nextIdVersion = version;
  }
}
