import { fileErrorReason } from "../file_error.ts";

/**
 * Creates the data directory, parents included, unless it exists.
 *
 * @param path The value of `daemon.data_dir`.
 * @throws {Error} If it cannot be created; the message names the key, the path, the reason and a
 * remedy.
 */
export async function createDataDir(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (cause) {
    throw new Error(
      `Cannot create the directory daemon.data_dir "${path}": ${fileErrorReason(cause)}. ` +
        "Create it for the user that runs the daemon, or set daemon.data_dir to another path",
      { cause },
    );
  }
}
