/**
 * The commands that clients send to the mesh in lines, and the replies.
 *
 * @module
 */

import { nearestWord } from "../../nearest_word.ts";
import {
  formatOperation,
  parseRecordFormat,
  type RecordFormat,
  type RecordFormatText,
} from "../records/record_format.ts";
import type { Phase } from "../job/sort_progress.ts";

/** The longest command, without its terminator. */
export const MAX_COMMAND_BYTES = 4096;

const WORDS = [
  "SORT",
  "COUNT",
  "STATUS",
  "HISTORY",
  "CANCEL",
  "RETRY",
  "NODES",
  "HELP",
  "QUIT",
] as const;

/** A command of a client. */
export type MeshCommand =
  | { word: "SORT" | "COUNT"; input: string; output: string; format: RecordFormat }
  | { word: "CANCEL"; job: number | undefined }
  | { word: "RETRY"; job: number }
  | { word: "STATUS" | "HISTORY" | "NODES" | "HELP" | "QUIT" };

/** The reply to `HELP`. */
export const HELP_LINES: readonly string[] = [
  "SORT input output [lines] [record=BYTES] [key=FIRST:END]   sorts files in the dir of each node",
  "                 lines can have keys as in sort: -t, -k2,2n -r -n -g -h -V -M -b -f -s,",
  "                 or be --csv below a header, or objects of JSON: --json-key=FIELD",
  '                 a name with blanks is put in double quotes, as in SORT "my file" sorted',
  "                 -u keeps the first of the entries with equal keys, top=N the first N of all",
  "COUNT input output [options of SORT]   the same as -u, each entry with its count as in uniq -c;",
  "                 top=N keeps the N most frequent",
  "STATUS           lists the jobs, and the progress of each node in the running one",
  "HISTORY          lists the finished jobs with their times",
  "CANCEL [job]     cancels a job, or the running one",
  "RETRY job        queues a job again that has failed or was cancelled",
  "NODES            lists the nodes, and whether they are connected",
  "QUIT             closes the connection",
];

/**
 * Parses a command.
 *
 * @throws {SyntaxError} If it is not a command; the message is the reply after "ERR".
 */
export function parseCommand(line: string): MeshCommand {
  const [first = "", ...rest] = splitWords(line);
  const word = first.toUpperCase();
  switch (word) {
    case "SORT":
    case "COUNT":
      return parseSort(word, rest);
    case "CANCEL": {
      const [job, more] = rest;
      if (more !== undefined || (job !== undefined && !/^\d{1,15}$/.test(job))) {
        throw new SyntaxError("expected CANCEL [job]");
      }
      return { word, job: job === undefined ? undefined : Number(job) };
    }
    case "RETRY": {
      const [job, more] = rest;
      if (job === undefined || more !== undefined || !/^\d{1,15}$/.test(job)) {
        throw new SyntaxError("expected RETRY job");
      }
      return { word, job: Number(job) };
    }
    case "STATUS":
    case "HISTORY":
    case "NODES":
    case "HELP":
    case "QUIT":
      if (rest.length > 0) throw new SyntaxError(`${word} takes nothing more`);
      return { word };
    default: {
      const nearest = nearestWord(word, WORDS);
      const hint = nearest === undefined ? "" : `, did you mean ${nearest}?`;
      throw new SyntaxError(`unknown command "${first.slice(0, 40)}"${hint}`);
    }
  }
}

/** Splits a line at blanks, except between double quotes, which belong to no word. */
function splitWords(line: string): string[] {
  const words = [...line.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)].map(([word]) => word);
  if ((line.match(/"/g)?.length ?? 0) % 2 !== 0) {
    throw new SyntaxError("a double quote is not closed");
  }
  return words.map((word) => word.replaceAll('"', ""));
}

/** A file name as a command spells it. */
function spelled(name: string): string {
  return /\s/.test(name) ? `"${name}"` : name;
}

function parseSort(word: "SORT" | "COUNT", words: string[]): MeshCommand {
  const [input, output, ...options] = words;
  if (input === undefined || output === undefined) {
    throw new SyntaxError(`expected ${word} input output`);
  }
  const text: RecordFormatText & { order: string[] } = { order: [], count: word === "COUNT" };
  const rest = [...options];
  for (let option = rest.shift(); option !== undefined; option = rest.shift()) {
    if (option === "lines") text.lines = true;
    else if (option.startsWith("record=")) text.record = option.slice("record=".length);
    else if (option.startsWith("key=")) text.key = option.slice("key=".length);
    else if (option.startsWith("top=")) text.top = option.slice("top=".length);
    else if (option.startsWith("-")) {
      text.order.push(option);
      // The value of -t and -k may be a word of its own.
      if (/^-[a-zA-Z]*[tk]$/.test(option) && rest.length > 0) text.order.push(rest.shift()!);
    } else {
      throw new SyntaxError(
        `unknown option "${option.slice(0, 40)}": lines, record=, key=, top=, or options of sort`,
      );
    }
  }
  return { word, input, output, format: parseRecordFormat(text) };
}

/** The progress of one node in the running job. */
export interface NodeProgress {
  node: number;
  phase: Phase | "connect";
  doneBytes: number;
  totalBytes: number;
  records: number;
  sentBytes: number;
  receivedBytes: number;
}

/** The state of a job. */
export interface JobStatus {
  id: number;
  input: string;
  output: string;
  format: RecordFormat;
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  /** Why it failed, or how many records it sorted. */
  result: string;
  /** When it was submitted, last started, and ended, in Unix time. */
  submittedMs: number;
  startedMs?: number;
  endedMs?: number;
  progress: NodeProgress[];
}

/** All jobs and nodes, as node 0 knows them and tells the others. */
export interface MeshStatus {
  jobs: JobStatus[];
  /** The numbers of the connected nodes. */
  up: number[];
}

/** The reply to `STATUS`, without its END. */
export function statusLines({ jobs }: MeshStatus): string[] {
  return jobs.flatMap(({ id, state, result, progress, ...job }) => [
    `job ${id} ${state} ${files(job)}${result && ` ${result}`}`,
    ...progress.map(progressLine),
  ]);
}

/** The reply to `HISTORY`, without its END: the finished jobs, the oldest first. */
export function historyLines({ jobs }: MeshStatus): string[] {
  return jobs.flatMap((job) => {
    const { id, state, result, submittedMs, startedMs, endedMs } = job;
    if (endedMs === undefined) return [];
    const started = startedMs === undefined ? "" : ` started=${timestamp(startedMs)}`;
    return `job ${id} ${state} submitted=${timestamp(submittedMs)}${started} ` +
      `ended=${timestamp(endedMs)} ${files(job)}${result && ` ${result}`}`;
  });
}

/** The files of a job, and what it does besides sorting. */
function files({ input, output, format }: Pick<JobStatus, "input" | "output" | "format">): string {
  return [spelled(input), spelled(output), formatOperation(format)].filter(Boolean).join(" ");
}

/** A time in UTC, in seconds (RFC 3339). */
function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, "");
}

function progressLine(progress: NodeProgress): string {
  const { node, phase, doneBytes, totalBytes, records, sentBytes, receivedBytes } = progress;
  const percent = totalBytes === 0 ? 100 : Math.floor(100 * doneBytes / totalBytes);
  return `node ${node} ${phase} ${percent}% records=${records} bytes=${doneBytes}/${totalBytes} ` +
    `sent=${sentBytes} received=${receivedBytes}`;
}
