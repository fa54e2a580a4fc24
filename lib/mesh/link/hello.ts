/**
 * The first line of a link: the caller, and what the link is for. The called node answers with a line
 * of the same kind, and either refuses the link if the two differ in something.
 *
 * @module
 */

import {
  copyRecordFormat,
  formatRecordFormat,
  isRecordFormat,
  type RecordFormat,
  sameRecordFormat,
} from "../records/record_format.ts";
import { MAX_NODES, type Partition } from "../sort/splitters.ts";

/** The version of the protocol between peers. */
export const MESH_VERSION = 2;

/** The longest line of a hello. */
export const MAX_HELLO_BYTES = 4096;

/** What a node says about itself and the job. */
export interface Hello {
  version: number;
  /** The job that the link is for. */
  job: string;
  /** Its own number. */
  node: number;
  /** The number that it expects the other node to have. */
  to: number;
  /** The number of nodes. */
  nodes: number;
  format: RecordFormat;
  partition: Partition;
  /** From a caller with a secret: the nonce for the proof of the other side. */
  nonce?: string;
}

/** The first words of the lines of a hello. */
export const HELLO = {
  /** From the caller, with its {@linkcode Hello}. */
  PEER: "PEER ",
  /** From node 0, with its hello: a control link, which carries jobs and their progress. */
  CONTROL: "CONTROL ",
  /** To a caller with a secret: the nonce for the proof of the caller. */
  PROVE: "PROVE ",
  /** From the caller and then from the other side: the proofs, see proof.ts. */
  PROOF: "PROOF ",
  /** The answer, with the hello of the called node. */
  OK: "OK ",
  /** The job is not known yet, with the reason; the caller tries again. */
  LATER: "LATER ",
  /** The link is refused for good, with the reason. */
  ERR: "ERR ",
} as const;

/** Formats a hello after a word, as a line without terminator. */
export function formatHello(word: typeof HELLO["PEER" | "CONTROL" | "OK"], hello: Hello): string {
  return `${word}${JSON.stringify(hello)}`;
}

/** The same as bytes, with the terminator. */
export function encodeHello(...words: Parameters<typeof formatHello>): Uint8Array {
  return new TextEncoder().encode(`${formatHello(...words)}\n`);
}

/**
 * Parses a hello.
 *
 * @param text The line after the word.
 * @returns The hello, or `undefined` if it is malformed.
 */
export function parseHello(text: string): Hello | undefined {
  let value: Partial<Hello> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { version, job, node, to, nodes, format, partition, nonce } = value ?? {};
  if (!isCount(version, MESH_VERSION * 1000) || typeof job !== "string") return undefined;
  if (!isCount(node, MAX_NODES) || !isCount(to, MAX_NODES) || !isCount(nodes, MAX_NODES)) {
    return undefined;
  }
  if (partition !== "sample" && partition !== "bits") return undefined;
  if (!isRecordFormat(format)) return undefined;
  if (nonce !== undefined && typeof nonce !== "string") return undefined;
  const hello = { version, job, node, to, nodes, partition };
  return {
    ...hello,
    format: copyRecordFormat(format),
    ...(nonce === undefined ? {} : { nonce }),
  };
}

function isCount(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

/** The first difference between two nodes, in words; `undefined` if they can work together. */
export function helloDifference(mine: Hello, theirs: Hello): string | undefined {
  const { node, to, nodes, format, partition } = theirs;
  if (theirs.version !== MESH_VERSION) {
    return `its version is ${theirs.version}, mine is ${MESH_VERSION}`;
  }
  if (theirs.job !== mine.job) return `its job is "${theirs.job}", mine is "${mine.job}"`;
  if (nodes !== mine.nodes) return `it counts ${nodes} nodes, I count ${mine.nodes}`;
  if (to !== mine.node) return `it takes me for node ${to}, I am node ${mine.node}`;
  if (node === mine.node || node >= nodes) return `it says that it is node ${node}`;
  if (!sameRecordFormat(format, mine.format)) {
    return `its format is ${formatRecordFormat(format)}, mine is ${
      formatRecordFormat(mine.format)
    }`;
  }
  if (partition !== mine.partition) {
    return `its partition is "${partition}", mine is "${mine.partition}"`;
  }
  return undefined;
}
