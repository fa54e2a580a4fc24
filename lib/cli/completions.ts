import { type Command, EXIT, UsageError } from "./command.ts";
import { print } from "./terminal.ts";

/**
 * Creates `quartet completions`, which prints the completion script of a shell. The script is made
 * from the same table as the help.
 *
 * @param commands Loads all commands, this one included.
 */
export function createCompletions(commands: () => Promise<readonly Command[]>): Command {
  return {
    name: "completions",
    summary: "Prints the completion script for a shell",
    usage: Object.keys(SHELLS).join("|"),
    positionals: [1, 1],
    options: [],
    details: `bash:  source <(quartet completions bash)
zsh:   source <(quartet completions zsh)
fish:  quartet completions fish | source`,
    run: async (args) => {
      const shell = args.positionals[0]!;
      if (!isShell(shell)) {
        const shells = Object.keys(SHELLS).join(", ");
        throw new UsageError(`unknown shell "${shell}"; known shells: ${shells}`);
      }
      print(completionScript(shell, await commands()));
      return EXIT.OK;
    },
  };
}

const SHELLS = { bash, zsh, fish };

function isShell(name: string): name is keyof typeof SHELLS {
  return Object.hasOwn(SHELLS, name);
}

/** The completion script of a shell. */
export function completionScript(
  shell: keyof typeof SHELLS,
  commands: readonly Command[],
): string {
  return SHELLS[shell](commands);
}

/** The options of a command as typed, `--help` included. */
function optionWords({ options }: Command): string[] {
  return [...options.map(({ name }) => `--${name}`), "--help"];
}

function names(commands: readonly Command[]): string {
  return commands.map(({ name }) => name).join(" ");
}

function bash(commands: readonly Command[]): string {
  const cases = commands.map((command) =>
    `    ${command.name}) words="${optionWords(command).join(" ")}" ;;`
  );
  return `_quartet() {
  local words="" current="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${names(commands)} --help --version"
  else case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac; fi
  case "$current" in
    -*|"") COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) [ "$COMP_CWORD" -eq 1 ] && COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _quartet quartet`;
}

function zsh(commands: readonly Command[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const described = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`);
  const cases = commands.map((command) => {
    const options = command.options.map(({ name, help, value }) => {
      const text = help.replaceAll(/[[\]:]/g, "\\$&");
      return quote(`--${name}[${text}]${value === undefined ? "" : `:${value}:_files`}`);
    });
    return `    ${command.name}) _arguments ${
      [...options, "'--help'", "'*:file:_files'"].join(" ")
    } ;;`;
  });
  return `#compdef quartet
_quartet() {
  local -a commands=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command=\${words[2]}
  shift words; (( CURRENT-- ))
  case $command in
${cases.join("\n")}
  esac
}
# A file in the search path is run as the function itself the first time.
if [ "$funcstack[1]" = _quartet ]; then _quartet "$@"; else compdef _quartet quartet; fi`;
}

function fish(commands: readonly Command[]): string {
  const quote = (text: string) => `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
  const lines: string[] = [];
  for (const { name, summary, options } of commands) {
    lines.push(
      `complete -c quartet -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
    );
    for (const option of options) {
      const takes = option.value === undefined ? "" : " -r";
      lines.push(
        `complete -c quartet -n ${
          quote(`__fish_seen_subcommand_from ${name}`)
        } -l ${option.name}${takes} -d ${quote(option.help)}`,
      );
    }
  }
  return lines.join("\n");
}
