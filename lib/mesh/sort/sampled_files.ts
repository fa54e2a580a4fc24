import { LineOrder } from "../records/line_order.ts";
import { maxLineOf, type RecordFormat } from "../records/record_format.ts";
import { readAt } from "./file_reads.ts";
import { inputError } from "./input_error.ts";
import { LinePicker, type PickedLine } from "./line_picker.ts";
import type { InputFile } from "./sort_messages.ts";

/** The most files that are open at a time. A sample jumps about, so it comes back to each often. */
const MAX_OPEN_FILES = 64;

interface OpenFile {
  input: InputFile;
  file: Deno.FsFile;
  lines: LinePicker;
}

/** Reads entries at any place of an input that may be several files. Disposing closes them. */
export class SampledFiles implements Disposable {
  /** The size of all entries, without headers. */
  readonly size: number;
  readonly #inputs: readonly InputFile[];
  /** Where the entries of each file begin among all. */
  readonly #starts: number[] = [];
  readonly #open = new Map<InputFile, OpenFile>();
  readonly #format: RecordFormat;
  readonly #csv: boolean;
  /** Bytes that were read with files that are closed again. */
  #closedBytes = 0;

  constructor(inputs: readonly InputFile[], format: RecordFormat) {
    this.#inputs = inputs;
    this.#format = format;
    this.#csv = new LineOrder(format).csv;
    let size = 0;
    for (const input of inputs) {
      this.#starts.push(size);
      size += input.size - input.start;
    }
    this.size = size;
  }

  /** How many bytes were read to find lines. */
  get readBytes(): number {
    return this.#open.values().reduce((sum, { lines }) => sum + lines.readBytes, this.#closedBytes);
  }

  /**
   * Reads a record into `entry`.
   *
   * @param at Where it begins among all entries.
   * @returns Its position in the input.
   */
  record(at: number, entry: Uint8Array): number {
    const { input, position } = this.#place(at);
    try {
      readAt(this.#opened(input).file, position, entry);
    } catch (error) {
      throw inputError(input, error);
    }
    return input.base + position;
  }

  /**
   * The line that contains a byte, with its position in the input; `undefined` if it is too long.
   *
   * @param at The place of the byte among all entries.
   */
  lineAt(at: number): PickedLine | undefined {
    const { input, position } = this.#place(at);
    try {
      const found = this.#opened(input).lines.at(position);
      return found && { ...found, position: input.base + found.position };
    } catch (error) {
      throw inputError(input, error);
    }
  }

  #place(at: number): { input: InputFile; position: number } {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= at) low = middle;
      else high = middle - 1;
    }
    const input = this.#inputs[low]!;
    return { input, position: input.start + at - this.#starts[low]! };
  }

  #opened(input: InputFile): OpenFile {
    const known = this.#open.get(input);
    if (known) return known;
    if (this.#open.size >= MAX_OPEN_FILES) this.#close(this.#open.values().next().value!);
    const file = Deno.openSync(input.path);
    const options = { size: input.size, maxLineBytes: maxLineOf(this.#format), csv: this.#csv };
    const opened = { input, file, lines: new LinePicker(file, options) };
    this.#open.set(input, opened);
    return opened;
  }

  #close({ input, file, lines }: OpenFile): void {
    this.#closedBytes += lines.readBytes;
    this.#open.delete(input);
    file.close();
  }

  [Symbol.dispose](): void {
    for (const opened of [...this.#open.values()]) this.#close(opened);
  }
}
