/**
 * Records for sorts: a key of ten bytes, the number of the record in the input, and padding.
 *
 * @module
 */

const RECORD_BYTES = 100;
const KEY_BYTES = 10;
const CHUNK_RECORDS = 10_000;

/** Options for {@linkcode writeRecords}. */
export interface RecordsOptions {
  records: number;
  /** The part of the records that have one and the same key. */
  equalPart: number;
}

/** Writes a file of records with random keys. */
export async function writeRecords(
  path: string,
  { records, equalPart }: RecordsOptions,
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const chunk = new Uint8Array(CHUNK_RECORDS * RECORD_BYTES);
  const view = new DataView(chunk.buffer);
  for (let number = 0; number < records;) {
    let at = 0;
    for (; at < chunk.length && number < records; at += RECORD_BYTES) {
      const key = chunk.subarray(at, at + KEY_BYTES);
      if (Math.random() < equalPart) key.fill(0x55);
      else crypto.getRandomValues(key);
      view.setUint32(at + KEY_BYTES, number++);
    }
    for (let sent = 0; sent < at;) sent += await file.write(chunk.subarray(sent, at));
  }
}

/**
 * Checks that an output has each record once, in the order of the keys, and records with equal keys
 * in the order of the input.
 *
 * @throws {Error} If not.
 */
export async function checkRecords(path: string, records: number): Promise<void> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  if (size !== records * RECORD_BYTES) throw new Error(`the output has ${size} bytes`);
  const seen = new Uint8Array(records);
  const chunk = new Uint8Array(CHUNK_RECORDS * RECORD_BYTES);
  const view = new DataView(chunk.buffer);
  let last: { high: bigint; low: number; number: number } = { high: -1n, low: 0, number: 0 };
  for (let done = 0; done < records;) {
    const length = Math.min(chunk.length, (records - done) * RECORD_BYTES);
    for (let filled = 0; filled < length;) {
      filled += (await file.read(chunk.subarray(filled, length)))!;
    }
    for (let at = 0; at < length; at += RECORD_BYTES, done++) {
      const high = view.getBigUint64(at), low = view.getUint16(at + 8);
      const number = view.getUint32(at + KEY_BYTES);
      const order = high === last.high ? low - last.low : high > last.high ? 1 : -1;
      if (order < 0 || (order === 0 && number <= last.number) || seen[number] !== 0) {
        throw new Error(`record ${number} is in the wrong place, ${done} of the output`);
      }
      seen[number] = 1;
      last = { high, low, number };
    }
  }
}
