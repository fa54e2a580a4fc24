import { nearestWord } from "../nearest_word.ts";
import { VERSION } from "../version.ts";
import { type Command, CommandError, EXIT, parseCommandLine, UsageError } from "./command.ts";
import { COMMAND_NAMES, loadCommand, loadCommands } from "./commands.ts";
import { commandHelp, programHelp, usageLine } from "./help.ts";
import { print, printError } from "./terminal.ts";

/**
 * Runs the command of a command line.
 *
 * @param words The words after the name of the program.
 * @returns The exit code.
 */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  if (name === "--version") {
    print(`quartet ${VERSION}`);
    return EXIT.OK;
  }
  if (name === undefined || name === "--help" || name === "help") {
    const topic = rest[0] === undefined ? undefined : await loadCommand(rest[0]);
    print(topic === undefined ? programHelp(await loadCommands()) : commandHelp(topic));
    return EXIT.OK;
  }
  const command = await loadCommand(name);
  if (command === undefined) {
    const what = name.startsWith("-") ? "option" : "command";
    const known = what === "option" ? ["--help", "--version"] : COMMAND_NAMES;
    const nearest = nearestWord(name, known);
    const hint = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
    printError(`quartet: unknown ${what} "${name}"${hint}\nquartet --help lists the commands.`);
    return EXIT.USAGE;
  }
  return await runCommand(command, rest);
}

async function runCommand(command: Command, words: readonly string[]): Promise<number> {
  const separator = words.indexOf("--");
  const own = separator === -1 ? words : words.slice(0, separator);
  if (own.includes("--help")) {
    print(commandHelp(command));
    return EXIT.OK;
  }
  try {
    return await command.run(parseCommandLine(command, words));
  } catch (error) {
    if (error instanceof UsageError) {
      printError(`quartet ${command.name}: ${error.message}\nUsage: ${usageLine(command)}`);
      return EXIT.USAGE;
    }
    if (error instanceof CommandError) {
      printError(error.message);
      return error.exitCode;
    }
    if (isSystemError(error)) {
      printError(`quartet ${command.name}: ${error.message}`);
      return EXIT.FAILED;
    }
    throw error;
  }
}

/** Whether the operating system refused an operation, such as reading from a directory. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && /^E[A-Z0-9]+$/.test(String(error.code));
}
