import { MAGIC_BYTES, recogniseCompression } from "../sort/compression.ts";
import { LineOrder } from "../records/line_order.ts";
import { maxLineOf, type RecordFormat } from "../records/record_format.ts";
import type { InputFile } from "../sort/sort_messages.ts";
import type { SortThread } from "../sort/sort_pool.ts";
import { MAX_INPUT_BYTES } from "../sort/splitters.ts";
import { assertSameHeader, readCsvHeader } from "./csv_header.ts";
import { InputCopies } from "./input_copies.ts";

/** The name of standard input among inputs. */
export const STANDARD_INPUT = "-";
/** The most files of an input. */
export const MAX_INPUT_FILES = 100_000;

/** The bits of a mode that a new output takes from its inputs: no set-user-ID and the like. */
const ACCESS_BITS = 0o777;

const NO_HEADER = new Uint8Array(0);

/** An input as it was found, and later where it can be read. */
interface Source {
  name: string;
  /** The path of the input; `undefined` for standard input. */
  source: string | undefined;
  path: string;
  bytes: number;
  /** Whether it is a stream or compressed, so that it has to be copied. */
  isCopied: boolean;
}

/** The input of one node: files and streams, one after the other. */
export class JobInput {
  /** The mode of a new output: nobody may read it who may not read all inputs. */
  readonly mode: number | undefined;
  /** The size of the files that can be read where they are. */
  readonly plainBytes: number;
  /** The least size of the copies of all others. */
  readonly copiedBytes: number;
  readonly #sources: Source[];
  readonly #spillDir: string;
  #copies: InputCopies | undefined;

  private constructor(sources: Source[], mode: number | undefined, spillDir: string) {
    this.#sources = sources;
    this.mode = mode;
    this.#spillDir = spillDir;
    const sum = (some: Source[]) => some.reduce((sum, { bytes }) => sum + bytes, 0);
    this.plainBytes = sum(sources.filter(({ isCopied }) => !isCopied));
    this.copiedBytes = sum(sources.filter(({ isCopied }) => isCopied));
  }

  /**
   * Looks at all inputs.
   *
   * @param names Their paths, in order; {@linkcode STANDARD_INPUT} is one of them at most.
   * @param spillDir The directory for copies.
   * @throws {Error} If one cannot be read, or ends within a record; the message names it.
   */
  static async find(
    names: readonly string[],
    { format, spillDir }: { format: RecordFormat; spillDir: string },
  ): Promise<JobInput> {
    if (names.length > MAX_INPUT_FILES) {
      throw new Error(`Cannot sort ${names.length} files: there may be up to ${MAX_INPUT_FILES}`);
    }
    const sources: Source[] = [];
    let mode: number | undefined;
    for (const name of names) {
      const found = await find(name, { format, spillDir });
      sources.push(found.source);
      if (found.mode !== undefined) mode = (mode ?? ACCESS_BITS) & found.mode;
    }
    return new JobInput(sources, mode, spillDir);
  }

  /** Copies the streams and the compressed files. */
  async copy(threads: readonly Pick<SortThread, "copy">[]): Promise<void> {
    const copied = this.#sources.filter(({ isCopied }) => isCopied);
    if (copied.length === 0) return;
    this.#copies = await InputCopies.create(this.#spillDir);
    await this.#copies.make(copied, threads, (source, path, bytes) => {
      Object.assign(source, { path, bytes });
    });
  }

  /**
   * The files with entries, when those that have to be are copied, and the header of all.
   *
   * @throws {Error} If one ends within a record, two headers differ, or they are too large together.
   */
  async files(format: RecordFormat): Promise<{ files: InputFile[]; header: Uint8Array }> {
    const { csv } = new LineOrder(format);
    const files: InputFile[] = [];
    let header: Uint8Array = NO_HEADER;
    let headerOf = "";
    let base = 0;
    for (const { name, path, bytes, isCopied } of this.#sources) {
      if (isCopied) assertWhole(name, bytes, format);
      if (bytes === 0) continue;
      let start = 0;
      if (csv) {
        const found = await readCsvHeader({ name, path }, bytes, maxLineOf(format));
        if (headerOf === "") [header, headerOf] = [found, name];
        else assertSameHeader([headerOf, header], [name, found]);
        start = found.length;
      }
      files.push({ name, path, size: bytes, start, base });
      base += bytes;
      if (base > MAX_INPUT_BYTES) {
        throw new Error(`Cannot sort "${name}": there are more than ${MAX_INPUT_BYTES} bytes`);
      }
    }
    return { files, header };
  }

  /** Removes the copies. No thread may be reading them any more. */
  async removeCopies(): Promise<void> {
    await this.#copies?.remove();
    this.#copies = undefined;
  }
}

async function find(
  name: string,
  { format, spillDir }: { format: RecordFormat; spillDir: string },
): Promise<{ source: Source; mode: number | undefined }> {
  const stream = { name, source: name, path: name, bytes: 0, isCopied: true };
  if (name === STANDARD_INPUT) {
    return {
      source: { ...stream, name: "standard input", source: undefined },
      mode: await defaultMode(spillDir),
    };
  }
  let info: Deno.FileInfo;
  let start: Uint8Array;
  try {
    info = await Deno.stat(name);
    if (info.isDirectory) throw new Error("it is a directory");
    if (!info.isFile) return { source: stream, mode: await defaultMode(spillDir) };
    start = await readStart(name);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot read "${name}": ${reason}`, { cause });
  }
  const isCopied = recogniseCompression(start) !== undefined;
  if (!isCopied) assertWhole(name, info.size, format);
  return {
    source: { ...stream, bytes: info.size, isCopied },
    mode: info.mode === null ? undefined : info.mode & ACCESS_BITS,
  };
}

/**
 * The mode of a new file for which nothing else is known, such as one that is made from a stream. To
 * ask for the mask of the process takes a permission that nothing else needs.
 */
async function defaultMode(directory: string): Promise<number | undefined> {
  const path = `${directory}/sort-${crypto.randomUUID()}.spill`;
  using file = await Deno.open(path, { write: true, createNew: true });
  await Deno.remove(path);
  return (await file.stat()).mode ?? undefined;
}

async function readStart(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const start = new Uint8Array(MAGIC_BYTES);
  let filled = 0;
  while (filled < start.length) {
    const count = await file.read(start.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return start.subarray(0, filled);
}

function assertWhole(name: string, size: number, { recordBytes }: RecordFormat): void {
  const rest = recordBytes ? size % recordBytes : 0;
  if (rest === 0) return;
  throw new Error(
    `Cannot sort "${name}": the record at byte ${size - rest} is cut off, ` +
      `it has ${rest} of ${recordBytes} bytes`,
  );
}
