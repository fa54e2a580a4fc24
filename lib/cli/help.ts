import type { Command } from "./command.ts";

/** Formats the help of the whole program. */
export function programHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    "quartet runs four line-protocol TCP services: echo, kv, task and mesh.",
    "",
    "Usage: quartet COMMAND [OPTIONS]",
    "",
    "Commands:",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "quartet COMMAND --help describes a command, quartet --version prints the version.",
  ].join("\n");
}

/** Formats the help of one command. */
export function commandHelp(command: Command): string {
  const lines = [`Usage: ${usageLine(command)}`, "", `${command.summary}.`];
  const options = command.options.map((option) => ({
    form: `${option.short === undefined ? "" : `-${option.short}, `}--${option.name}${
      option.value === undefined ? "" : ` ${option.value}`
    }`,
    help: `${option.help}${option.repeatable ? " (can be repeated)" : ""}`,
  }));
  if (options.length > 0) {
    const width = Math.max(...options.map(({ form }) => form.length));
    lines.push("", "Options:");
    lines.push(...options.map(({ form, help }) => `  ${form.padEnd(width)}  ${help}`));
  }
  if (command.details !== undefined) lines.push("", command.details);
  return lines.join("\n");
}

/** Formats the usage of a command, in one line. */
export function usageLine(command: Command): string {
  return `quartet ${command.name} ${command.usage}`.trimEnd();
}
