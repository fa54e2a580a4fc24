import { dirname } from "node:path";
import type { PackageFile } from "./contents.ts";

/** A directory that holds what a package will contain. */
export class Stage {
  readonly #directory: string;
  readonly #time: Date;

  /**
   * @param directory An empty directory.
   * @param time The time of all files.
   */
  constructor(directory: string, time: Date) {
    this.#directory = directory;
    this.#time = time;
  }

  /** The total size of the files, in bytes. */
  sizeBytes = 0;

  /** Writes a file. */
  async write({ path, content, executable }: PackageFile): Promise<void> {
    const target = await this.#place(path);
    if (typeof content === "string") await Deno.writeTextFile(target, content);
    else await Deno.writeFile(target, content);
    await this.#finish(target, executable === true);
  }

  /** Copies a file that is executable. */
  async copy(source: string, path: string): Promise<void> {
    const target = await this.#place(path);
    await Deno.copyFile(source, target);
    await this.#finish(target, true);
  }

  /** Gives all directories their modes and times. */
  async close(): Promise<void> {
    await this.#closeDirectory(this.#directory);
  }

  async #place(path: string): Promise<string> {
    const target = `${this.#directory}/${path}`;
    await Deno.mkdir(dirname(target), { recursive: true });
    return target;
  }

  async #finish(target: string, executable: boolean): Promise<void> {
    await Deno.chmod(target, executable ? 0o755 : 0o644);
    await Deno.utime(target, this.#time, this.#time);
    this.sizeBytes += (await Deno.stat(target)).size;
  }

  async #closeDirectory(directory: string): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      if (isDirectory) await this.#closeDirectory(`${directory}/${name}`);
    }
    await Deno.chmod(directory, 0o755);
    await Deno.utime(directory, this.#time, this.#time);
  }
}
