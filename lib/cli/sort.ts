import { MAX_INPUT_FILES } from "../mesh/job/job_input.ts";
import { STANDARD_OUTPUT } from "../mesh/job/standard_output.ts";
import type { SortSummary } from "../mesh/job/sort_job.ts";
import { SortFailedError } from "../mesh/link/sort_failure.ts";
import { OutputClosedError } from "../mesh/sort/output_closed.ts";
import { type Command, CommandError, EXIT } from "./command.ts";
import { runSortNode } from "./sort_node.ts";
import { readSortFiles } from "./sort_files.ts";
import { readSortSettings, SORT_OPTIONS, type SortSettings } from "./sort_options.ts";
import { forPeople, forPrograms } from "./sort_summary.ts";
import { print, printError } from "./terminal.ts";

/** `quartet sort`: sorts a file, alone or as one of several nodes. */
export const sort: Command = {
  name: "sort",
  summary: "Sorts files of records or lines, alone or together with other machines",
  usage: "[--node I --nodes HOST:PORT,…] [options] INPUT… OUTPUT",
  positionals: [0, MAX_INPUT_FILES + 1],
  options: SORT_OPTIONS,
  details:
    `Several INPUTs are sorted as if they were one, as in sort: files; folders, which stand for the files
in them, sorted by name, without those in further folders and those that begin with a dot; patterns in
quotes, such as "logs/*.gz"; named pipes; and "-", standard input. Files that are compressed with gzip or
zstd are recognised by their content. OUTPUT may be "-", standard output, and is compressed if its name
ends in .gz or .zst. With -o FILE, all arguments are INPUTs.

Each node has INPUTs and an OUTPUT of its own. The outputs of all nodes, concatenated in the order
of the nodes, are sorted; records with equal keys keep the order of the nodes and their inputs.
The options of one letter are those of sort with LC_ALL=C, for lines, and all nodes must have the same:
"-t, -k2,2n" sorts by the number in the second field. As there, lines with equal keys are sorted by all
of their bytes unless --stable is given. With --csv, all INPUTs have the same header, and the first OUTPUT
begins with it.

--unique keeps the first of the records with equal keys, which are as in "sort -u": those of -k, or
whole lines. --count writes their number in front, as "uniq -c" does; for CSV as a first field, and for
records of fixed size as a big-endian number of eight bytes. With --top, the OUTPUT of node 0 has all.

If a node fails before all have sorted, no OUTPUT is touched. When all have, node 0 tells the others to
give their outputs their names. A node that is killed at that moment, or does not hear node 0, keeps its
sorted records beside OUTPUT and says so if it can; "quartet settle" completes or discards them. So all
outputs are replaced or none, except after such a failure; and then no record is lost.`,
  run: async (args) => {
    const settings = readSortSettings(args, await readSortFiles(args));
    const cancel = new AbortController();
    const { node, addresses } = settings;
    const reason = addresses.length > 1 ? `node ${node} has been stopped` : "Cancelled";
    const stop = () => cancel.abort(new SortFailedError({ node, reason }));
    Deno.addSignalListener("SIGINT", stop);
    Deno.addSignalListener("SIGTERM", stop);
    try {
      const summary = await runSortNode(settings, cancel.signal);
      printSummary(summary, settings);
      if (summary.unfinished === undefined) return EXIT.OK;
      throw new CommandError(
        `${summary.unfinished}; all other outputs are written, and that node keeps its own for ` +
          '"quartet settle --commit"',
      );
    } catch (error) {
      if (error instanceof CommandError) throw error;
      // As a program without a message of its own, which the signal would end.
      if (error instanceof Error && error.cause instanceof OutputClosedError) return EXIT.CLOSED;
      if (error instanceof Error) throw new CommandError(error.message);
      throw error;
    } finally {
      Deno.removeSignalListener("SIGINT", stop);
      Deno.removeSignalListener("SIGTERM", stop);
    }
  },
};

/** Prints the summary. What is written to standard output besides the entries would be taken for one. */
function printSummary(summary: SortSummary, { json, output }: SortSettings): void {
  const text = json ? JSON.stringify(forPrograms(summary)) : forPeople(summary);
  if (output !== STANDARD_OUTPUT) print(text);
  else if (json) printError(text);
}
