import { join } from "node:path";

const MAX_NAME_BYTES = 1024;
/** No separators and no control characters. */
const PLAIN_NAME = /^[^/\\\p{Cc}]+$/u;

/** Thrown when a name leads out of its directory or must not be used. */
export class ConfinedPathError extends Error {
  override name = "ConfinedPathError";
}

/**
 * Resolves a file name from a client to a path below a directory.
 *
 * Neither the name nor a symbolic link can lead out of the directory: every part has to be a plain
 * name, and the part of the path that exists must have no link in it.
 *
 * @param directory An existing directory.
 * @param name A relative name such as "jobs/input.bin".
 * @throws {ConfinedPathError} If the name has another form, or a part of it is a link.
 */
export async function confinedPath(directory: string, name: string): Promise<string> {
  const parts = name.split("/");
  const odd = parts.some((part) => ["", ".", ".."].includes(part) || !PLAIN_NAME.test(part));
  if (odd || name.length > MAX_NAME_BYTES) {
    throw new ConfinedPathError(`Cannot use "${name}" as a file: it has to be below the directory`);
  }
  const root = await Deno.realPath(directory);
  const path = join(root, ...parts);
  let existing = path;
  for (let left = parts.length; left > 0; left--) {
    try {
      // `stat` would follow a dangling link and find nothing.
      await Deno.lstat(existing);
      break;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
        throw error;
      }
      existing = join(existing, "..");
    }
  }
  const real = await Deno.realPath(existing).catch(() => undefined);
  if (real !== existing) {
    throw new ConfinedPathError(`Cannot use "${name}" as a file: there is a link on the way`);
  }
  return path;
}
