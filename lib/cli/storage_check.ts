import type { Config } from "../config/schema.ts";
import { verifyFile } from "../storage/sqlite/verify_file.ts";
import { parseStorageUrl } from "../storage/url.ts";
import { describeContents } from "./storage_file.ts";
import { storageUrls } from "./storage_urls.ts";
import { printError } from "./terminal.ts";

/**
 * `quartet check --storage`: checks the files that the enabled services keep their data in, and
 * prints what is found to standard error. A daemon may be using them.
 *
 * @returns Whether all are good.
 */
export async function checkStorage(config: Config): Promise<boolean> {
  let good = true;
  for (const url of storageUrls(config)) {
    const target = parseStorageUrl(url, config.daemon.data_dir);
    // Nothing else is a file of quartet's own.
    if (target.kind === "sqlite") good = await checkFile(target.path) && good;
  }
  return good;
}

async function checkFile(path: string): Promise<boolean> {
  try {
    const contents = await verifyFile(path);
    for (const damage of contents.damages) printError(`Damaged: "${path}": ${damage}`);
    printError(`Checked "${path}": ${describeContents(contents)} are good`);
    return contents.damages.length === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      printError(`Checked "${path}": it does not exist yet`);
      return true;
    }
    if (!(error instanceof Error)) throw error;
    printError(`Cannot check "${path}": ${error.message}`);
    return false;
  }
}
