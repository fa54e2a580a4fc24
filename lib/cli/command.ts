import { parseArgs } from "@std/cli/parse-args";
import { nearestWord } from "../nearest_word.ts";

/** An option of a command, written `--name`. */
export interface CommandOption {
  name: string;
  /** What stands for its value in the usage; an option without one is a switch. */
  value?: string;
  /** Whether it may be given several times. @default {false} */
  repeatable?: boolean;
  /** What it does, in a line. */
  help: string;
}

/** What was written behind the name of a command. */
export interface CommandArguments {
  /** Words that are no options. */
  positionals: string[];
  /** What follows a `--`, if the command takes it. */
  rest: string[];
  /** Whether a switch was given. */
  flag(name: string): boolean;
  /** The value of an option; the last one if it was given several times. */
  text(name: string): string | undefined;
  /** All values of an option that may be repeated. */
  texts(name: string): string[];
}

/** One command of the program. */
export interface Command {
  readonly name: string;
  /** What it does, in a line without a full stop. */
  readonly summary: string;
  /** What follows its name, such as "HOST:PORT [--retry]". */
  readonly usage: string;
  /** How many words that are no options it takes: at least and at most. */
  readonly positionals: readonly [min: number, max: number];
  /** Whether words after a `--` are something else than those before. @default {false} */
  readonly takesRest?: boolean;
  readonly options: readonly CommandOption[];
  /** More for its own help: paragraphs below the options. */
  readonly details?: string;
  /**
   * Does it.
   *
   * @returns The exit code.
   * @throws {UsageError} If the words do not make sense.
   * @throws {CommandError} If it cannot be done.
   */
  run(args: CommandArguments): Promise<number>;
}

/** Exit codes of the program. */
export const EXIT = {
  OK: 0,
  /** It could not be done. */
  FAILED: 1,
  /** The command line makes no sense. */
  USAGE: 2,
  /** The configuration is at fault (EX_CONFIG of sysexits.h). */
  CONFIG: 78,
  /** Stopped at once by a second SIGINT (128 and the number of the signal). */
  INTERRUPTED: 130,
} as const;

/** The command line makes no sense; the message says what would. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A command cannot be done; the message is for the person who gave it. */
export class CommandError extends Error {
  override name = "CommandError";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Reads the words behind the name of a command.
 *
 * @throws {UsageError} If an option is unknown or lacks its value, or words are missing or too many.
 */
export function parseCommandLine(command: Command, words: readonly string[]): CommandArguments {
  const names = (wanted: (option: CommandOption) => boolean) =>
    command.options.filter(wanted).map((option) => option.name);
  const parsed = parseArgs([...words], {
    string: ["_", ...names((option) => option.value !== undefined)],
    boolean: names((option) => option.value === undefined),
    collect: names((option) => option.repeatable === true),
    "--": true,
    unknown: (word, name) => {
      if (name === undefined) return true;
      const nearest = nearestWord(name, [...names(() => true), "help"]);
      const hint = nearest === undefined ? "" : `; did you mean --${nearest}?`;
      throw new UsageError(`unknown option "${word}"${hint}`);
    },
  }) as { _: (string | number)[]; "--"?: string[] } & Record<string, unknown>;

  for (const { name, value } of command.options) {
    if (value === undefined) continue;
    const given = [parsed[name] ?? []].flat() as string[];
    if (given.includes("")) throw new UsageError(`--${name} needs a ${value}`);
  }
  const [min, max] = command.positionals;
  const positionals = parsed._.map(String);
  const rest = command.takesRest ? parsed["--"] ?? [] : [];
  if (!command.takesRest) positionals.push(...parsed["--"] ?? []);
  if (positionals.length < min) throw new UsageError("something is missing");
  if (positionals.length > max) throw new UsageError(`unexpected "${positionals[max]}"`);
  return {
    positionals,
    rest,
    flag: (name) => parsed[name] === true,
    text: (name) => parsed[name] as string | undefined,
    texts: (name) => (parsed[name] ?? []) as string[],
  };
}
