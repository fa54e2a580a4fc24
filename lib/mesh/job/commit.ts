/**
 * The last phase of a job, a two-phase commit that node 0 leads: only when everything is on the
 * disk of every node do the outputs get their names.
 *
 * @module
 */

import { addTally, sameTally, type Tally } from "../records/checksum.ts";
import { decodeTallies, encodeTallies, FRAME } from "../link/frame.ts";
import type { OutputFile } from "./output_file.ts";
import type { PeerGroup } from "./peer_group.ts";

/** What a node has to commit. */
export interface CommitOptions {
  node: number;
  nodes: number;
  file: OutputFile;
  /** What this node has read and written. */
  input: Tally;
  output: Tally;
  /** Told when outputs may get their names, so that it is too late to go back. */
  onDecided: () => void;
}

/**
 * Agrees with all that everything is there, and names the output.
 *
 * @returns What all nodes have written together; `undefined` but on node 0.
 * @throws {Error} If all together have not written what they have read.
 */
export async function commit(peers: PeerGroup, options: CommitOptions): Promise<Tally | undefined> {
  const { node, nodes, file, input, output, onDecided } = options;
  if (node !== 0) {
    await peers.send(0, FRAME.COMPLETE, encodeTallies(input, output));
    await peers.collect(FRAME.COMMIT, 1);
    onDecided();
    await file.commit();
    await peers.send(0, FRAME.DONE);
    await peers.collect(FRAME.FINISH, 1);
    return undefined;
  }
  const [inputs, outputs] = [{ ...input }, { ...output }];
  for (const { frame } of await peers.collect(FRAME.COMPLETE, nodes - 1)) {
    const [input, output] = decodeTallies(frame.payload, 2);
    addTally(inputs, input!);
    addTally(outputs, output!);
  }
  if (!sameTally(inputs, outputs)) {
    throw new Error(
      `Cannot commit: all nodes read ${inputs.records} records and wrote ${outputs.records}, ` +
        "or their checksums differ",
    );
  }
  onDecided();
  await peers.sendAll(FRAME.COMMIT);
  await file.commit();
  await peers.collect(FRAME.DONE, nodes - 1);
  await peers.sendAll(FRAME.FINISH);
  return inputs;
}
