import { MAX_PROGRESS_BYTES } from "../task/queue.ts";

/** The file in which a command says how far it is. */
export class ProgressFile {
  /** Its path. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Creates an empty file; `undefined` if that is impossible, since a job can do without. */
  static async create(): Promise<ProgressFile | undefined> {
    try {
      return new ProgressFile(await Deno.makeTempFile({ prefix: "quartet-progress-" }));
    } catch {
      return undefined;
    }
  }

  /** Its start, without white space at the end; empty if it cannot be read. */
  async read(): Promise<Uint8Array> {
    const bytes = new Uint8Array(MAX_PROGRESS_BYTES);
    let length = 0;
    try {
      using file = await Deno.open(this.path);
      length = await file.read(bytes) ?? 0;
    } catch {
      // The command may have removed it, or replace it at this moment.
    }
    while (length > 0 && bytes[length - 1]! <= 0x20) length--;
    return bytes.subarray(0, length);
  }

  /** Removes it. */
  async remove(): Promise<void> {
    await Deno.remove(this.path).catch(() => {});
  }
}
