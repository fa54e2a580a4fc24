import { type Command, type CommandOption, EXIT } from "../../lib/cli/command.ts";
import { bold, escape, italic, pageHead, paragraphs } from "./roff.ts";

/** What all pages have in common. */
export interface Edition {
  version: string;
  /** The date in the foot of the pages. */
  date: Date;
}

/** What each exit code means. */
const EXIT_TEXTS: Record<keyof typeof EXIT, string> = {
  OK: "The command did what it was asked to do.",
  FAILED: "The command failed; standard error says why.",
  USAGE: "The command line is wrong.",
  DISRUPTIVE: "quartet check --diff: a reload would disconnect clients, or needs a new start.",
  CONFIG: "The configuration is wrong.",
  INTERRUPTED: "A second SIGINT stopped the command at once.",
  CLOSED: "Nobody reads the output any more.",
};

/** The page quartet(1): what there is. */
export function overviewPage(commands: readonly Command[], edition: Edition): string {
  const summary = "a bus, a key-value store, a job queue and a distributed sort in one daemon";
  const lines = [
    pageHead({ name: "quartet", section: 1, summary, ...edition }),
    ".SH SYNOPSIS",
    `${bold("quartet")} ${italic("COMMAND")} [${italic("OPTIONS")}]`,
    ".br",
    `${bold("quartet help")} [${italic("COMMAND")}]`,
    ".SH DESCRIPTION",
    paragraphs(
      "quartet serve runs four line-protocol TCP services: echo, a bus; kv, a key-value store that " +
        "speaks the Redis protocol too; task, a job queue for beanstalkd clients; and mesh, a " +
        "distributed sort. A fifth, admin, serves an HTTP page for operators. All are configured " +
        "in one file. The other commands are clients and tools for these services.",
    ),
    ".SH COMMANDS",
    ...commands.flatMap(({ name, summary }) => [
      ".TP",
      `${bold(pageName(name))}(1)`,
      `${escape(summary)}.`,
    ]),
    ".SH EXIT STATUS",
    ...Object.entries(EXIT_TEXTS).flatMap(([name, text]) => [
      ".TP",
      bold(String(EXIT[name as keyof typeof EXIT])),
      escape(text),
    ]),
    ".SH FILES",
    ".TP",
    italic("/etc/quartet/config.toml"),
    "The configuration of the system's daemon.",
    ".TP",
    italic("./config.toml"),
    "The configuration that commands read if they are given no other.",
    ".SH SEE ALSO",
    `${bold("quartet.toml")}(5)`,
  ];
  return `${lines.join("\n")}\n`;
}

/** The page of one command, such as quartet-serve(1). */
export function commandPage(command: Command, edition: Edition): string {
  const { name, summary, usage, options, details } = command;
  const inSentence = summary[0]!.toLowerCase() + summary.slice(1);
  const help: CommandOption = { name: "help", help: "describes the command" };
  const lines = [
    pageHead({ name: pageName(name), section: 1, summary: inSentence, ...edition }),
    ".SH SYNOPSIS",
    `${bold(`quartet ${name}`)} ${escape(usage)}`.trimEnd(),
    ".SH DESCRIPTION",
    paragraphs(`${summary}.`),
    ...details === undefined ? [] : [paragraphs(details)],
    ".SH OPTIONS",
    ...[...options, help].flatMap((option) => [".TP", optionForm(option), optionText(option)]),
    ".SH SEE ALSO",
    `${bold("quartet")}(1), ${bold("quartet.toml")}(5)`,
  ];
  return `${lines.join("\n")}\n`;
}

/** The name of the page of a command. */
export function pageName(command: string): string {
  return `quartet-${command}`;
}

function optionForm({ name, short, value }: CommandOption): string {
  const forms = [...short === undefined ? [] : [bold(`-${short}`)], bold(`--${name}`)].join(", ");
  return value === undefined ? forms : `${forms} ${italic(value)}`;
}

function optionText({ help, repeatable }: CommandOption): string {
  const text = help[0]!.toUpperCase() + help.slice(1);
  return escape(`${text}${repeatable ? " (can be repeated)" : ""}.`);
}
