import { endOfRecord } from "../keys/csv_record.ts";
import type { InputFile } from "../sort/sort_messages.ts";

const FIRST_WINDOW_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** How much of a header a message shows. */
const SHOWN_CHARACTERS = 100;

/**
 * Reads the first record of a file of CSV, its newline included.
 *
 * @param size The size of the file.
 * @throws {Error} If it cannot be read, or the record is longer than `maxLineBytes`; the message names
 * the file.
 */
export async function readCsvHeader(
  { name, path }: Pick<InputFile, "name" | "path">,
  size: number,
  maxLineBytes: number,
): Promise<Uint8Array> {
  using file = await Deno.open(path);
  for (let window = FIRST_WINDOW_BYTES;; window *= 2) {
    const bytes = new Uint8Array(Math.min(window, size));
    await file.seek(0, Deno.SeekMode.Start);
    for (let filled = 0; filled < bytes.length;) {
      const count = await file.read(bytes.subarray(filled));
      if (count === null) throw new Error(`Cannot sort "${name}": it has become shorter`);
      filled += count;
    }
    const end = endOfRecord(bytes, 0, bytes.length);
    if (end >= 0) return bytes.subarray(0, end + 1);
    if (bytes.length === size) return bytes;
    if (bytes.length > maxLineBytes) {
      throw new Error(
        `Cannot sort "${name}": its header has more than ${maxLineBytes} bytes; ` +
          "is a quote not closed?",
      );
    }
  }
}

/**
 * Compares the headers of two files of one input.
 *
 * @throws {Error} If they differ; the message names the files.
 */
export function assertSameHeader(
  [first, header]: readonly [name: string, header: Uint8Array],
  [name, other]: readonly [name: string, header: Uint8Array],
): void {
  const [text, found] = [textOf(header), textOf(other)];
  if (found === text) return;
  throw new Error(
    `Cannot sort "${name}" with "${first}": the headers differ, ` +
      `they are "${shown(found)}" and "${shown(text)}"`,
  );
}

/**
 * The header of the sorted data: that of the first node that has one, with a newline.
 *
 * @param headers The headers of all nodes, in their order; those of empty inputs are empty.
 * @throws {Error} If two differ; the message names the nodes.
 */
export function commonHeader(headers: readonly Uint8Array[]): Uint8Array {
  const first = headers.findIndex(({ length }) => length > 0);
  if (first < 0) return new Uint8Array(0);
  const text = textOf(headers[first]!);
  headers.forEach((header, node) => {
    const other = textOf(header);
    if (header.length === 0 || other === text) return;
    throw new Error(
      `the headers differ: node ${first} has "${shown(text)}", node ${node} has "${shown(other)}"`,
    );
  });
  const header = headers[first]!;
  if (header.at(-1) === NEWLINE) return header;
  const ended = new Uint8Array(header.length + 1);
  ended.set(header);
  ended[header.length] = NEWLINE;
  return ended;
}

/** A header without the end of its line, which may be written in different ways. */
function textOf(header: Uint8Array): string {
  let end = header.length;
  if (header[end - 1] === NEWLINE) end--;
  if (header[end - 1] === RETURN) end--;
  return new TextDecoder().decode(header.subarray(0, end));
}

function shown(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
