import type { KeyPath } from "./walk.ts";

/** `${NAME}`, `${NAME:-default}`, or `$${`, which stands for `${` itself. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/**
 * Puts values of the environment into the texts of a parsed file, in place. What is put in is
 * never read as TOML, so no value can change what the file means.
 *
 * @param input The parsed file, or a part of it.
 * @param env Looks up a variable.
 * @param report Told of each reference to a variable that is not set and has no default.
 * @param path Where `input` is.
 */
export function substitute(
  input: unknown,
  env: (name: string) => string | undefined,
  report: (path: KeyPath, fault: string) => void,
  path: KeyPath = [],
): void {
  if (typeof input !== "object" || input === null) return;
  const parts = input as Record<string, unknown>;
  for (const [key, part] of Object.entries(parts)) {
    const partPath = [...path, key];
    if (typeof part !== "string") {
      substitute(part, env, report, partPath);
      continue;
    }
    parts[key] = part.replace(REFERENCE, (reference, name?: string, fallback?: string) => {
      if (name === undefined) return "${";
      const value = env(name) ?? fallback;
      if (value === undefined) {
        report(partPath, `the environment variable ${name} is not set, and there is no default`);
        return reference;
      }
      return value;
    });
  }
}
