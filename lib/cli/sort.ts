import { SortFailedError } from "../mesh/link/sort_failure.ts";
import { type Command, CommandError, EXIT } from "./command.ts";
import { runSortNode } from "./sort_node.ts";
import { readSortSettings, SORT_OPTIONS } from "./sort_options.ts";
import { forPeople, forPrograms } from "./sort_summary.ts";
import { print } from "./terminal.ts";

/** `quartet sort`: sorts a file, alone or as one of several nodes. */
export const sort: Command = {
  name: "sort",
  summary: "Sorts a file of records, alone or together with other machines",
  usage: "[--node I --nodes HOST:PORT,…] [options] INPUT OUTPUT",
  positionals: [2, 2],
  options: SORT_OPTIONS,
  details:
    `Each node has an INPUT and an OUTPUT. The outputs of all nodes, concatenated in the order
of the nodes, are sorted; records with equal keys keep the order of the nodes and their inputs.
The options of one letter are those of sort with LC_ALL=C, for lines, and all nodes must have the same:
"-t, -k2,2n" sorts by the number in the second field. As there, lines with equal keys are sorted by all
of their bytes unless --stable is given. With --csv, the first OUTPUT begins with the header.

If a node fails before all have sorted, no OUTPUT is touched. When all have, node 0 tells the others to
give their outputs their names. A node that is killed at that moment, or does not hear node 0, keeps its
sorted records beside OUTPUT and says so if it can; "quartet settle" completes or discards them. So all
outputs are replaced or none, except after such a failure; and then no record is lost.`,
  run: async (args) => {
    const settings = readSortSettings(args);
    const cancel = new AbortController();
    const { node, addresses } = settings;
    const reason = addresses.length > 1 ? `node ${node} has been stopped` : "Cancelled";
    const stop = () => cancel.abort(new SortFailedError({ node, reason }));
    Deno.addSignalListener("SIGINT", stop);
    Deno.addSignalListener("SIGTERM", stop);
    try {
      const summary = await runSortNode(settings, cancel.signal);
      print(settings.json ? JSON.stringify(forPrograms(summary)) : forPeople(summary));
      if (summary.unfinished === undefined) return EXIT.OK;
      throw new CommandError(
        `${summary.unfinished}; all other outputs are written, and that node keeps its own for ` +
          '"quartet settle --commit"',
      );
    } catch (error) {
      if (error instanceof CommandError) throw error;
      if (error instanceof Error) throw new CommandError(error.message);
      throw error;
    } finally {
      Deno.removeSignalListener("SIGINT", stop);
      Deno.removeSignalListener("SIGTERM", stop);
    }
  },
};
