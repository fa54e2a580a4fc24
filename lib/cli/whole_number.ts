import { type CommandArguments, UsageError } from "./command.ts";

/**
 * The value of an option that takes a whole number, in decimal digits alone.
 *
 * @param range The smallest and the largest value, and the one if the option is not given.
 * @throws {UsageError} If the value is not such a number.
 */
export function wholeNumberOption(
  args: CommandArguments,
  name: string,
  { min, max, fallback }: { min: number; max: number; fallback: number },
): number {
  const text = args.text(name);
  if (text === undefined) return fallback;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}`);
}
