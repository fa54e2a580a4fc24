import { parseArgs } from "@std/cli/parse-args";
import { nearestWord } from "../nearest_word.ts";

/** An option of a command, written `--name`. */
export interface CommandOption {
  name: string;
  /** Its short form, one letter. */
  short?: string;
  /** The placeholder for its value in the usage, such as "FILE"; without it the option is a switch. */
  value?: string;
  /** Whether it may be given several times. @default {false} */
  repeatable?: boolean;
  /** What it does, in one line. */
  help: string;
}

/** The parsed words after the name of a command. */
export interface CommandArguments {
  /** Words that are not options. */
  positionals: string[];
  /** The words after `--`, if the command takes them. */
  rest: string[];
  /** Whether a switch was given. */
  flag(name: string): boolean;
  /** The value of an option; the last one if it was given more than once. */
  text(name: string): string | undefined;
  /** All values of an option that may be repeated. */
  texts(name: string): string[];
}

/** One command of the program. */
export interface Command {
  readonly name: string;
  /** What it does, in one line without a full stop. */
  readonly summary: string;
  /** What follows its name, such as "HOST:PORT [--retry]". */
  readonly usage: string;
  /** The minimum and maximum number of words that are not options. */
  readonly positionals: readonly [min: number, max: number];
  /** Whether words after `--` are kept apart from those before it. @default {false} */
  readonly takesRest?: boolean;
  readonly options: readonly CommandOption[];
  /** Paragraphs for its own help, below the options. */
  readonly details?: string;
  /**
   * Runs it.
   *
   * @returns The exit code.
   * @throws {UsageError} If the command line is wrong.
   * @throws {CommandError} If the command fails.
   */
  run(args: CommandArguments): Promise<number>;
}

/** Exit codes of the program. */
export const EXIT = {
  OK: 0,
  /** The command failed. */
  FAILED: 1,
  /** The command line is wrong. */
  USAGE: 2,
  /** `check --diff`: a reload would disconnect clients, or a change needs a new start. */
  DISRUPTIVE: 3,
  /** The configuration is wrong (EX_CONFIG of sysexits.h). */
  CONFIG: 78,
  /** Stopped at once by a second SIGINT (128 plus the number of the signal). */
  INTERRUPTED: 130,
  /** Nobody reads its output any more (128 plus the number of SIGPIPE, which ends other programs). */
  CLOSED: 141,
} as const;

/** The command line is wrong; the message says what would be right. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A command failed; the message is for the person who ran it. */
export class CommandError extends Error {
  override name = "CommandError";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Replaces short forms by long ones. Several letters may share a word, and the value of the last one
 * may be in the same word or in the next.
 *
 * @throws {UsageError} If a letter is not known.
 */
function expandShort(options: readonly CommandOption[], words: readonly string[]): string[] {
  if (options.every(({ short }) => short === undefined)) return [...words];
  const expanded: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") return [...expanded, ...words.slice(i)];
    if (!/^-[^-]/.test(word)) {
      expanded.push(word);
      continue;
    }
    for (let at = 1; at < word.length; at++) {
      const option = options.find(({ short }) => short === word[at]);
      if (!option) throw new UsageError(`unknown option "-${word[at]}" in "${word}"`);
      if (option.value === undefined) {
        expanded.push(`--${option.name}`);
        continue;
      }
      const value = at + 1 < word.length ? word.slice(at + 1) : words[++i];
      if (!value) throw new UsageError(`--${option.name} needs a ${option.value}`);
      expanded.push(`--${option.name}=${value}`);
      break;
    }
  }
  return expanded;
}

/**
 * Parses the words after the name of a command.
 *
 * @throws {UsageError} If an option is unknown or lacks its value, or if there are too few or too
 * many words.
 */
export function parseCommandLine(command: Command, words: readonly string[]): CommandArguments {
  const names = (wanted: (option: CommandOption) => boolean) =>
    command.options.filter(wanted).map((option) => option.name);
  const parsed = parseArgs(expandShort(command.options, words), {
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
    const given = parsed[name];
    if (given === "" || (Array.isArray(given) && given.includes(""))) {
      throw new UsageError(`--${name} needs a ${value}`);
    }
  }
  const [min, max] = command.positionals;
  const positionals = parsed._.map(String);
  const rest = command.takesRest ? parsed["--"] ?? [] : [];
  if (!command.takesRest) positionals.push(...parsed["--"] ?? []);
  else if (rest.length === 0 && words.includes("--")) {
    // Most likely a variable of the shell that is empty.
    throw new UsageError('a command is missing after "--"');
  }
  if (positionals.length < min) throw new UsageError("an argument is missing");
  if (positionals.length > max) throw new UsageError(`unexpected "${positionals[max]}"`);
  return {
    positionals,
    rest,
    flag: (name) => parsed[name] === true,
    text: (name) => parsed[name] as string | undefined,
    texts: (name) => (parsed[name] ?? []) as string[],
  };
}
