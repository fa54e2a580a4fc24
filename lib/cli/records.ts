import { formatSum } from "../mesh/records/checksum.ts";
import { GENERATED_RECORD_BYTES, RecordGenerator } from "../mesh/records/generator.ts";
import { Verifier } from "../mesh/records/verifier.ts";
import { type Command, type CommandArguments, CommandError, EXIT, UsageError } from "./command.ts";
import { FORMAT_OPTIONS, readFormat } from "./records_format.ts";
import { Progress } from "./records_progress.ts";
import { print, printError } from "./terminal.ts";

const MAX_FILES = 1024;
/** Records per write. */
const BLOCK_RECORDS = 10_240;
/** The highest record number that is exact. */
const MAX_RECORD = Number.MAX_SAFE_INTEGER;

/** `quartet records`: generates and verifies files of records. */
export const records: Command = {
  name: "records",
  summary: "Generates and verifies files of records",
  usage: "generate --count N [--first N] [--skew] [--ascii] FILE, or verify [--sum] FILE…",
  positionals: [1, 1 + MAX_FILES],
  options: [
    { name: "count", value: "N", help: "generate: how many records" },
    { name: "first", value: "N", help: "generate: the number of the first record (0)" },
    { name: "skew", help: "generate: unevenly distributed keys" },
    { name: "ascii", help: "generate: printable records that end in CR LF" },
    { name: "sum", help: "verify: ignore the order, print count and checksum only" },
    ...FORMAT_OPTIONS.map((option) => ({ ...option, help: `verify: ${option.help}` })),
  ],
  details: `generate writes the records of gensort: 100 bytes with a key of 10.
verify reads the files in the given order as if they were one, and prints what valsort prints: the
number of records, their checksum, and the number of duplicate keys. It fails if a record is lower
than the one before it.`,
  run: async (args) => {
    const [what, ...files] = args.positionals;
    if (what === "generate") await generate(args, files);
    else if (what === "verify") await verify(args, files);
    else throw new UsageError(`unknown word "${what}": expected "generate" or "verify"`);
    return EXIT.OK;
  },
};

async function generate(args: CommandArguments, files: string[]): Promise<void> {
  const [path, more] = files;
  if (path === undefined) throw new UsageError("the name of the file is missing");
  if (more !== undefined) throw new UsageError(`unexpected "${more}"`);
  const count = readNumber(args, "count");
  if (count === undefined) throw new UsageError("--count N is missing");
  const first = readNumber(args, "first") ?? 0;
  if (first + count > MAX_RECORD) throw new UsageError(`records are numbered up to ${MAX_RECORD}`);
  const options = { first, ascii: args.flag("ascii"), skew: args.flag("skew") };
  const generator = new RecordGenerator(options);
  const progress = new Progress("generate", count * GENERATED_RECORD_BYTES);
  try {
    using file = await Deno.open(path, { write: true, create: true, truncate: true });
    // One block is filled while the other one is written.
    const blocks = [0, 1].map(() => new Uint8Array(BLOCK_RECORDS * GENERATED_RECORD_BYTES));
    let writing: Promise<void> = Promise.resolve();
    for (let done = 0, turn = 0; done < count; turn = 1 - turn) {
      const records = Math.min(BLOCK_RECORDS, count - done);
      const block = blocks[turn]!.subarray(0, records * GENERATED_RECORD_BYTES);
      generator.fill(block);
      await writing;
      writing = writeAll(file, block).then(() => progress.add(block.length));
      done += records;
    }
    await writing;
  } catch (error) {
    throw failure("write", path, error);
  } finally {
    progress.stop();
  }
}

async function verify(args: CommandArguments, files: string[]): Promise<void> {
  if (files.length === 0) throw new UsageError("the name of a file is missing");
  const verifier = new Verifier(readFormat(args));
  let size = 0;
  for (const path of files) {
    try {
      size += (await Deno.stat(path)).size;
    } catch (error) {
      throw failure("read", path, error);
    }
  }
  const progress = new Progress("verify", size);
  try {
    for (const path of files) {
      await verifier.file(path, (bytes) => progress.add(bytes)).catch((error) => {
        throw error instanceof Error && error.message.startsWith("Cannot verify")
          ? new CommandError(error.message)
          : failure("read", path, error);
      });
    }
  } finally {
    progress.stop();
  }
  const { records, sum, duplicateKeys, unordered, firstUnordered } = verifier.result();
  if (unordered > 0 && !args.flag("sum")) {
    printError(`First unordered record is record ${firstUnordered}`);
  }
  print(`Records: ${records}\nChecksum: ${formatSum(sum)}`);
  if (args.flag("sum")) return;
  if (unordered > 0) {
    throw new CommandError(`ERROR - there are ${unordered} unordered records`);
  }
  print(`Duplicate keys: ${duplicateKeys}\nSUCCESS - all records are in order`);
}

function readNumber(args: CommandArguments, name: string): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(number)) {
    throw new UsageError(`--${name} "${text}" is not a whole number up to ${MAX_RECORD}`);
  }
  return number;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
}

function failure(action: string, path: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UsageError) return error;
  return new CommandError(`Cannot ${action} "${path}": ${error.message}`);
}
