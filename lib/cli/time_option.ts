import { parseDuration } from "../config/values.ts";
import { type CommandArguments, UsageError } from "./command.ts";

/** The longest time, 24 days: a longer timer would fire at once. */
const MAX_MS = 2 ** 31 - 1;

/**
 * The value of an option that takes a time, in milliseconds; `undefined` if it is not given and has
 * no default.
 *
 * @throws {UsageError} If the value is not such a time.
 */
export function timeOption(args: CommandArguments, name: string): number | undefined;
export function timeOption(args: CommandArguments, name: string, fallback: string): number;
export function timeOption(args: CommandArguments, name: string, fallback?: string) {
  const text = args.text(name) ?? fallback;
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms <= MAX_MS) return ms;
  throw new UsageError(`--${name} "${text}" is not a time up to 24d such as "10s"`);
}
