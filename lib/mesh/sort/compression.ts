/**
 * The formats of compressed files that a sort reads and writes: gzip (RFC 1952) and Zstandard
 * (RFC 8878). Both allow a file to be several members (frames) one behind the other.
 *
 * @module
 */

import { constants, gzipSync, zstdCompressSync } from "node:zlib";

/** A format of compressed files. */
export type Compression = "gzip" | "zstd";

/** How many bytes {@linkcode recogniseCompression} needs to see. */
export const MAGIC_BYTES = 4;

/** The format that the end of a name stands for, such as "gzip" for "log.gz". */
export function compressionOfName(name: string): Compression | undefined {
  if (name.endsWith(".gz")) return "gzip";
  return name.endsWith(".zst") ? "zstd" : undefined;
}

/**
 * The format of a file.
 *
 * @param start Its first {@linkcode MAGIC_BYTES} bytes, or all if it has fewer.
 */
export function recogniseCompression(start: Uint8Array): Compression | undefined {
  const [a, b, c, d = 0xff] = start;
  // The third byte of gzip is the method "deflate"; three bits of the fourth are always zero.
  if (a === 0x1f && b === 0x8b && c === 0x08 && (d & 0xe0) === 0) return "gzip";
  if (b === 0xb5 && c === 0x2f && d === 0xfd && a === 0x28) return "zstd";
  // A frame without content, which may come first.
  return a !== undefined && a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18
    ? "zstd"
    : undefined;
}

/** Compresses bytes to one member of a file, with a checksum. */
export function compress(bytes: Uint8Array, compression: Compression): Uint8Array {
  if (compression === "gzip") return gzipSync(bytes);
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
}
