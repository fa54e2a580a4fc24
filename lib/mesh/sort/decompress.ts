/**
 * Decompresses files of any size. Nothing that is damaged, cut off or follows the data is passed over
 * in silence: a sort that lost it would not notice.
 *
 * @module
 */

import { createGunzip, createZstdDecompress } from "node:zlib";
import type { Compression } from "./compression.ts";
import { ZstdFormatError, ZstdFrames } from "./zstd_frames.ts";

const DECOMPRESSED_BLOCK_BYTES = 256 * 1024;
const OPTIONS = { chunkSize: DECOMPRESSED_BLOCK_BYTES };

/** The data cannot be decompressed. The message does not say in which file. */
export class DamagedError extends Error {
  override name = "DamagedError";
}

/** A decompressor of the runtime. */
type Decompressor = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

/**
 * Decompresses all members of a file.
 *
 * @param source The file, in blocks.
 * @param write Takes the decompressed bytes, and no longer than until it returns.
 * @throws {DamagedError} If the data is damaged or cut off, or followed by something else.
 */
export async function decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  if (compression === "gzip") await decompressGzip(source, write);
  else await decompressZstd(source, write);
}

async function decompressGzip(
  source: AsyncIterable<Uint8Array>,
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  const member = new Member(createGunzip(OPTIONS), write);
  let position = 0;
  try {
    for await (const block of source) {
      position += block.length;
      // It goes on to the next member by itself, and ends if the next byte is zero.
      if (!member.ended) await member.feed(block);
      const unused = Math.min(block.length, position - member.consumedBytes);
      if (!member.ended || unused === 0) continue;
      // Tapes are padded with zeros.
      const other = block.subarray(block.length - unused).findIndex((byte) => byte !== 0);
      if (other < 0) continue;
      const at = position - unused + other;
      throw new DamagedError(`at byte ${at} is something other than gzip data`);
    }
    await member.end();
  } catch (error) {
    if (error instanceof DamagedError || !(error instanceof MemberError)) throw error;
    if (error.code === "Z_BUF_ERROR") {
      throw new DamagedError(`its gzip data is cut off at byte ${position}`);
    }
    throw new DamagedError(`its gzip data is damaged before byte ${position}: ${error.message}`);
  }
}

async function decompressZstd(
  source: AsyncIterable<Uint8Array>,
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  const frames = new ZstdFrames();
  let frame: Member | undefined;
  let [start, position] = [0, 0];
  try {
    for await (const block of source) {
      for (let at = 0; at < block.length;) {
        const from = at;
        start = frames.start;
        at = frames.scan(block, from);
        frame ??= new Member(createZstdDecompress(OPTIONS), write);
        if (!frame.ended) await frame.feed(block.subarray(from, at));
        if (!frames.betweenFrames) continue;
        await frame.end();
        frame = undefined;
      }
      position += block.length;
    }
  } catch (error) {
    if (error instanceof ZstdFormatError) throw new DamagedError(error.message);
    if (!(error instanceof MemberError)) throw error;
    const reason = error.message.replace(/^Zstd decompress error: /, "");
    throw new DamagedError(`the zstd frame at byte ${start} is damaged: ${reason}`);
  }
  if (frame === undefined) return;
  throw new DamagedError(`the zstd frame at byte ${start} is cut off at byte ${position}`);
}

/** What the decompressor of the runtime says about the data. */
class MemberError extends Error {
  readonly code: string | undefined;

  constructor(cause: Error & { code?: string }) {
    super(cause.message, { cause });
    this.code = cause.code;
  }
}

/** A decompressor that is fed block by block and hands on what it yields at once. */
class Member {
  readonly #stream: Decompressor;
  readonly #ended = Promise.withResolvers<void>();
  /** Whether there is nothing more to come, whatever follows. */
  ended = false;

  constructor(stream: Decompressor, write: (bytes: Uint8Array) => void) {
    this.#stream = stream;
    const { promise, resolve, reject } = this.#ended;
    promise.catch(() => {});
    stream.on("data", (bytes: Uint8Array) => {
      try {
        write(bytes);
      } catch (error) {
        reject(error);
        stream.destroy();
      }
    });
    stream.on("error", (error) => reject(new MemberError(error)));
    stream.on("end", () => {
      this.ended = true;
      resolve();
    });
  }

  /** How many bytes it has used. */
  get consumedBytes(): number {
    return this.#stream.bytesWritten;
  }

  /** Resolves when the block is decompressed, or the data has ended. */
  async feed(block: Uint8Array): Promise<void> {
    // At the end of the data, the stream no longer answers.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stream.write(block, () => resolve());
    await Promise.race([promise, this.#ended.promise]);
  }

  /** Resolves when everything is handed on. */
  async end(): Promise<void> {
    this.#stream.end();
    await this.#ended.promise;
  }
}
