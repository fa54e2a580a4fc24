import type { Fault } from "./fault.ts";
import type { KeyPath } from "./walk.ts";

/** `${NAME}`, `${NAME:-default}`, or `$${`, which stands for `${` itself. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/**
 * Replaces references to environment variables in the strings of a parsed file, in place. This
 * happens after parsing, so no value can inject TOML.
 *
 * @param input The parsed file, or a part of it.
 * @param env Looks up a variable.
 * @param report Told of each reference to a variable that is not set and has no default.
 * @param path The key path of `input`.
 */
export function substitute(
  input: unknown,
  env: (name: string) => string | undefined,
  report: (fault: Fault) => void,
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
        report({
          path: partPath,
          message: `the environment variable ${name} is not set, and there is no default`,
        });
        return reference;
      }
      return value;
    });
  }
}
