import type { Config } from "../config/schema.ts";
import { fileErrorReason } from "../file_error.ts";
import type { Service } from "../service.ts";
import { parseStorageUrl } from "../storage/url.ts";

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

/**
 * Says why nothing can be written in the data directory; `undefined` if it is writable.
 *
 * @param path The value of `daemon.data_dir`, an existing directory.
 */
export async function dataDirProblem(path: string): Promise<string | undefined> {
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: path, prefix: ".writable-" }));
    return undefined;
  } catch (error) {
    return `Cannot write in the directory daemon.data_dir "${path}": ${fileErrorReason(error)}. ` +
      "Make it writable for the user that runs the daemon, or set daemon.data_dir to another path";
  }
}

/** Whether an enabled service has a database file whose path is relative to the data directory. */
export function keepsDataInDir(config: Config, services: readonly Service[]): boolean {
  return services.some((service) => {
    const section = config.services[service.name];
    if (!section?.enabled) return false;
    const urls = (service.needs?.(section).storages ?? []).map((url) => url ?? config.storage.url);
    return urls.some((url) => {
      const [here, elsewhere] = ["/a", "/b"].map((dir) => parseStorageUrl(url, dir));
      return here!.kind === "sqlite" && elsewhere!.kind === "sqlite" &&
        here!.path !== elsewhere!.path;
    });
  });
}
