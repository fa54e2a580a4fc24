import type { SortSummary } from "../mesh/job/sort_job.ts";
import { formatSum, type Tally } from "../mesh/records/checksum.ts";

const BYTES_PER_MB = 1_000_000;

/** The summary of a sort for people, as lines. */
export function forPeople(
  { input, output, total, seconds, nodes, spilledBytes }: SortSummary,
): string {
  const time = Object.values(seconds).reduce((sum, each) => sum + each, 0);
  const rate = (output.bytes / BYTES_PER_MB / time).toFixed(0);
  const lines = [
    `Sorted ${output.records} records, ${output.bytes} bytes in ${time.toFixed(2)} s, ${rate} MB/s`,
    `Checksum: ${formatSum(output.sum)}`,
  ];
  if (nodes > 1) lines.push(`Read ${input.records} records here`);
  if (nodes > 1 && total) lines.push(`All nodes together: ${total.records} records`);
  if (spilledBytes > 0) lines.push(`Spilled ${spilledBytes} bytes`);
  return lines.join("\n");
}

/** The summary for JSON, which has no bigints: checksums become hexadecimal. */
export function forPrograms(summary: SortSummary): unknown {
  const plain = ({ records, bytes, sum }: Tally) => ({ records, bytes, checksum: formatSum(sum) });
  return {
    ...summary,
    input: plain(summary.input),
    output: plain(summary.output),
    ...(summary.total ? { total: plain(summary.total) } : {}),
  };
}
