import { RecordGenerator } from "../../lib/mesh/records/generator.ts";

/** Size of the records that all measurements sort. */
export const RECORD_BYTES = 100;

/** Writes a file of generated records. */
export async function generate(
  path: string,
  records: number,
  { first = 0, ascii = false }: { first?: number; ascii?: boolean } = {},
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const generator = new RecordGenerator({ first, ascii });
  const BLOCK_RECORDS = 10_000;
  for (let left = records; left > 0; left -= BLOCK_RECORDS) {
    const block = new Uint8Array(Math.min(left, BLOCK_RECORDS) * RECORD_BYTES);
    generator.fill(block);
    for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
  }
}

/** Writes one input for each node, with this many records in all; returns their paths. */
export async function generateShares(
  prefix: string,
  { records, nodes }: { records: number; nodes: number },
): Promise<string[]> {
  const paths = Array.from({ length: nodes }, (_, node) => `${prefix}-${node}`);
  const share = Math.floor(records / nodes);
  for (const [node, path] of paths.entries()) await generate(path, share, { first: node * share });
  return paths;
}

/** Flushes pending writes, so that they do not slow down the next measurement. */
export async function settle(): Promise<void> {
  await new Deno.Command("sync").output();
}
