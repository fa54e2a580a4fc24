import { followLinks } from "../mesh/job/output_file.ts";
import { settlePrepared, waitingNote } from "../mesh/job/prepared_note.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { print } from "./terminal.ts";

/** `quartet settle`: ends an interrupted sort on this node, as its operator decides. */
export const settle: Command = {
  name: "settle",
  summary: "Completes or discards an output that an interrupted sort has left",
  usage: "[--commit | --discard] OUTPUT",
  positionals: [1, 1],
  options: [
    { name: "commit", help: "give the sorted records the name OUTPUT" },
    { name: "discard", help: "remove the sorted records and keep OUTPUT as it is" },
  ],
  details:
    `A node that has sorted its records and then loses node 0 keeps them until it knows whether all
other nodes have sorted as well. A daemon asks node 0 and needs no help, unless node 0 is lost for good.
Without an option, this command shows what is left.

Do the same on all nodes: --commit if the output of any node is new, or if all nodes have something
left; --discard if a node has nothing left and its old output.`,
  run: async (args) => {
    const [output] = args.positionals as [string];
    const [commit, discard] = [args.flag("commit"), args.flag("discard")];
    if (commit && discard) throw new UsageError("--commit and --discard contradict each other");
    try {
      const path = await followLinks(output);
      const note = await waitingNote(path);
      if (note === undefined) throw new Error("no interrupted sort has left anything");
      const { job, node, nodes, records, bytes } = note;
      const what = `${records} records, ${bytes} bytes, of node ${node} of ${nodes}, job ${job}`;
      if (commit || discard) await settlePrepared(path, commit);
      print(`${commit ? "Completed" : discard ? "Discarded" : "Waiting"}: ${what}`);
      return EXIT.OK;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new CommandError(`Cannot settle "${output}": ${error.message}`);
    }
  },
};
