/**
 * The first line of a link: who is calling, and for what. The one who is called answers with a
 * line as well, and both refuse to work together on different things.
 *
 * @module
 */

import {
  formatRecordFormat,
  isRecordFormat,
  type RecordFormat,
  sameRecordFormat,
} from "../records/record_format.ts";
import { MAX_NODES, type Partition } from "../sort/splitters.ts";

/** The version of what peers say to each other. */
export const MESH_VERSION = 1;

/** The longest line that a link may begin with. */
export const MAX_HELLO_BYTES = 4096;

/** What a node says about itself and what it is about to do. */
export interface Hello {
  version: number;
  /** The job that the link is for. */
  job: string;
  /** Its own number. */
  node: number;
  /** The number that it takes the other one to have. */
  to: number;
  /** How many nodes there are. */
  nodes: number;
  format: RecordFormat;
  partition: Partition;
  /** From a caller that has a secret: the number that is in the proof it wants to see. */
  nonce?: string;
}

/** Words that the lines of a hello begin with. */
export const HELLO = {
  /** From the caller, with its {@linkcode Hello}. */
  PEER: "PEER ",
  /** From node 0, with its hello: a link on which jobs are arranged. */
  CONTROL: "CONTROL ",
  /** To a caller with a secret: the number that is in the proof that it has to give. */
  PROVE: "PROVE ",
  /** From the caller and then from the other side: the proofs, see proof.ts. */
  PROOF: "PROOF ",
  /** The answer, with a hello as well: frames follow. */
  OK: "OK ",
  /** Not now, as the job is not known yet; the caller tries again. */
  LATER: "LATER ",
  /** Never, and why. */
  ERR: "ERR ",
} as const;

/** A hello behind a word, as a line without its end. */
export function formatHello(word: typeof HELLO["PEER" | "CONTROL" | "OK"], hello: Hello): string {
  return `${word}${JSON.stringify(hello)}`;
}

/** The same as bytes, with the end of the line. */
export function encodeHello(...words: Parameters<typeof formatHello>): Uint8Array {
  return new TextEncoder().encode(`${formatHello(...words)}\n`);
}

/**
 * Reads a hello.
 *
 * @param text What follows the word.
 * @returns The hello, or `undefined` if it is none.
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
  const { recordBytes, keyStart, keyEnd } = format;
  if (nonce !== undefined && typeof nonce !== "string") return undefined;
  const hello = { version, job, node, to, nodes, partition };
  return {
    ...hello,
    format: { recordBytes, keyStart, keyEnd },
    ...(nonce === undefined ? {} : { nonce }),
  };
}

function isCount(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

/** What two nodes do not agree on, in words; `undefined` if they can work together. */
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
