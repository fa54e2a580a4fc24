/**
 * The hello of a control link, from either side.
 *
 * @module
 */

import { HELLO, type Hello, helloDifference, MESH_VERSION, parseHello } from "../link/hello.ts";
import { DEFAULT_RECORD_FORMAT } from "../records/record_format.ts";
import { type MeshNodeOptions, nodeCount } from "./mesh_node.ts";

/** Control links serve all jobs, so their hello names none of them. */
const CONTROL_JOB = "control";
const MAX_QUOTED_CHARACTERS = 200;

/** This node's hello on a control link to the node `to`. */
export function controlHello(
  { node, addresses, partition }: Pick<MeshNodeOptions, "node" | "addresses" | "partition">,
  to: number,
): Hello {
  return {
    version: MESH_VERSION,
    job: CONTROL_JOB,
    node,
    to,
    nodes: nodeCount(addresses),
    format: DEFAULT_RECORD_FORMAT,
    partition,
  };
}

/**
 * Judges the hello of a caller. Only node 0 opens control links.
 *
 * @param mine What this node says to node 0.
 * @param text The hello of the caller.
 * @returns Why the link is refused, or `undefined` if it is not.
 */
export function controlRefusal(mine: Hello, text: string): string | undefined {
  const theirs = parseHello(text);
  if (!theirs) return "the hello cannot be read";
  const difference = helloDifference(mine, theirs);
  return difference ?? (theirs.node === 0 ? undefined : "node 0 arranges the jobs");
}

/**
 * Checks the answer to this node's hello.
 *
 * @throws {Error} If the other node refused the link or differs in something.
 */
export function checkControlAnswer(mine: Hello, line: string): void {
  if (!line.startsWith(HELLO.OK)) {
    throw new Error(`it said "${line.slice(0, MAX_QUOTED_CHARACTERS)}"`);
  }
  const theirs = parseHello(line.slice(HELLO.OK.length));
  const difference = theirs ? helloDifference(mine, theirs) : "no hello";
  if (difference !== undefined) throw new Error(`it does not fit: ${difference}`);
}
