/**
 * The last phase of a job, a two-phase commit led by node 0: the outputs get their names only when
 * the output of every node is complete and on disk.
 *
 * @module
 */

import { addTally, sameTally, type Tally } from "../records/checksum.ts";
import { decodeTallies, encodeTallies, FRAME } from "../link/frame.ts";
import type { OutputFile } from "./output_file.ts";
import type { PeerGroup } from "./peer_group.ts";

/** Options for {@linkcode commit}. */
export interface CommitOptions {
  node: number;
  nodes: number;
  file: OutputFile;
  /** The records that this node has read and written. */
  input: Tally;
  output: Tally;
  /** Called when the first output may get its name: from here on the job cannot be cancelled. */
  onDecided: () => void;
}

/**
 * Agrees with all nodes that the outputs are complete, and gives this node's output its name.
 *
 * @returns On node 0, the records of all nodes; `undefined` on the others.
 * @throws {Error} If the nodes together have not written exactly what they have read.
 * @throws {SortFailedError | SortEndedError} If a peer fails or the job ends.
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
