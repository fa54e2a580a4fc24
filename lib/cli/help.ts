import type { Command } from "./command.ts";

/** The help of the whole program. */
export function programHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    "quartet runs four TCP services that speak lines: echo, kv, task and mesh.",
    "",
    "Usage: quartet COMMAND [OPTIONS]",
    "",
    "Commands:",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "quartet COMMAND --help tells more of a command, quartet --version the version.",
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const lines = [`Usage: ${usageLine(command)}`, "", `${command.summary}.`];
  const options = command.options.map((option) => ({
    form: `--${option.name}${option.value === undefined ? "" : ` ${option.value}`}`,
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

/** How a command is written. */
export function usageLine(command: Command): string {
  return `quartet ${command.name} ${command.usage}`.trimEnd();
}
