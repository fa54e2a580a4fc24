import { parseOptions } from "../task/beanstalk/put_options.ts";
import type { JobOptions } from "../task/queue.ts";
import { type CommandArguments, type CommandOption, UsageError } from "./command.ts";

/** The options of a job, which have the names that `put-job` gives them, and the form of each value. */
const FORMS: readonly { name: string; value: string; help: string; form: string }[] = [
  {
    name: "attempts",
    value: "N",
    help: "buries the job after N failed attempts, 0 for never",
    form: "a whole number up to 1000000",
  },
  {
    name: "backoff",
    value: "TIME",
    help: 'delay after a failed attempt; "exponential:TIME:MAX" doubles it each time',
    form: '"10s", or "exponential:1s:1h"',
  },
  {
    name: "unique",
    value: "KEY",
    help: "puts nothing if another job holds this key, and prints its id",
    form: "1 to 200 of A-Z a-z 0-9 - + / ; . $ _ ( ), not starting with -",
  },
  {
    name: "unique-for",
    value: "TIME",
    help: "how long it holds the key at most",
    form: 'a time such as "10s" and needs --unique',
  },
  {
    name: "unique-while",
    value: "STATE",
    help: "what it holds the key for: queued, unfinished (default), until (for --unique-for)",
    form: 'queued, unfinished or until, needs --unique, and with "until" needs --unique-for',
  },
  {
    name: "expires",
    value: "TIME",
    help: "buries the job if it has not been started in this time",
    form: 'a time such as "10m", up to 365 days',
  },
  {
    name: "after",
    value: "ID,ID",
    help: "holds the job until these jobs are done",
    form: "1 to 64 ids, separated by commas",
  },
  {
    name: "timeout",
    value: "TIME",
    help: 'how long "quartet work" lets the command for it run',
    form: 'a time such as "10s", up to 24 days',
  },
];

/** The flags for the options of a job. */
export const JOB_FLAGS: readonly CommandOption[] = FORMS.map(({ name, value, help }) => (
  { name, value, help }
));

/**
 * The options of a job as words of `put-job`.
 *
 * @returns The words, each preceded by a space, and the options they stand for.
 * @throws {UsageError} If a value is malformed, or does not go with the others.
 */
export function jobFlags(args: CommandArguments): { words: string; options: JobOptions } {
  const given = FORMS.flatMap(({ name }) => {
    const value = args.text(name);
    return value === undefined ? [] : [{ name, value }];
  });
  const words = given.map(({ name, value }) => ` ${name}=${value}`).join("");
  const spaced = given.find(({ value }) => /\s/.test(value));
  const options = spaced === undefined ? parseOptions(words) : { bad: spaced.name };
  if (!("bad" in options)) return { words, options };
  const { name, form } = FORMS.find(({ name }) => name === options.bad) ?? FORMS[0]!;
  throw new UsageError(`--${name} must be ${form}`);
}
