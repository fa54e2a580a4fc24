import { MAGIC_BYTES, recogniseCompression } from "./compression.ts";
import { DamagedError, decompress } from "./decompress.ts";

const BLOCK_BYTES = 256 * 1024;

/** An input, and the file that its data is copied to. */
export interface CopyNames {
  /** The path of the input; `undefined` for standard input. */
  source: string | undefined;
  /** What people call it. */
  name: string;
  /** The path of a file that exists and is empty. */
  target: string;
}

/**
 * Copies an input that cannot be read at any place to a file that can: a stream as it is, and
 * compressed data decompressed.
 *
 * @returns The size of the copy in bytes.
 * @throws {Error} If it cannot be read or decompressed, or the copy cannot be written. The message
 * names the input.
 */
export async function copyPlain({ source, name, target }: CopyNames): Promise<number> {
  using input = source === undefined ? undefined : await openInput(source, name);
  using output = await Deno.open(target, { write: true });
  let copiedBytes = 0;
  const write = (bytes: Uint8Array) => {
    try {
      for (let at = 0; at < bytes.length;) at += output.writeSync(bytes.subarray(at));
    } catch (cause) {
      throw new Error(`Cannot copy "${name}" to "${target}": ${reasonOf(cause)}`, { cause });
    }
    copiedBytes += bytes.length;
  };
  const blocks = blocksOf(input ?? Deno.stdin, name);
  const { value: first, done } = await blocks.next();
  if (done) return 0;
  const all = (async function* () {
    yield first;
    yield* blocks;
  })();
  const compression = recogniseCompression(first);
  if (compression === undefined) {
    for await (const block of all) write(block);
    return copiedBytes;
  }
  try {
    await decompress(all, compression, write);
  } catch (cause) {
    if (!(cause instanceof DamagedError)) throw cause;
    throw new Error(`Cannot read "${name}": ${cause.message}`, { cause });
  }
  return copiedBytes;
}

async function openInput(path: string, name: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    throw new Error(`Cannot read "${name}": ${reasonOf(cause)}`, { cause });
  }
}

/** The bytes of a stream. The first block is long enough to recognise a format. */
async function* blocksOf(
  stream: { read(into: Uint8Array): Promise<number | null> },
  name: string,
): AsyncGenerator<Uint8Array, undefined> {
  for (let least = MAGIC_BYTES;; least = 1) {
    // A decompressor may hold on to its input, so each block has memory of its own.
    const block = new Uint8Array(BLOCK_BYTES);
    let filled = 0;
    while (filled < least) {
      const count = await stream.read(block.subarray(filled)).catch((cause) => {
        throw new Error(`Cannot read "${name}": ${reasonOf(cause)}`, { cause });
      });
      if (count === null) {
        if (filled > 0) yield block.subarray(0, filled);
        return undefined;
      }
      filled += count;
    }
    yield block.subarray(0, filled);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
