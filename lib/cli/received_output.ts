import type { CommandArguments, CommandOption } from "./command.ts";
import { ControlEscaper } from "./control_escaper.ts";
import { writeAll } from "./terminal.ts";

/** The option of commands that print what they receive. */
export const RAW_OPTION: CommandOption = {
  name: "raw",
  help: "lets control characters through to a terminal, as they are to a pipe or a file",
};

/**
 * Prints received bytes. At a terminal, control characters are escaped unless `--raw` is given; a
 * pipe or a file gets the bytes unchanged.
 */
export class ReceivedOutput {
  readonly #print: (bytes: Uint8Array) => boolean;
  readonly #escaper: ControlEscaper | undefined;

  /**
   * @param args The arguments of a command with {@linkcode RAW_OPTION}.
   * @param print Writes to standard output; returns whether it still has a reader.
   */
  constructor(
    args: Pick<CommandArguments, "flag">,
    print: (bytes: Uint8Array) => boolean = (bytes) => writeAll(Deno.stdout, bytes),
  ) {
    this.#print = print;
    if (Deno.stdout.isTerminal() && !args.flag(RAW_OPTION.name)) {
      this.#escaper = new ControlEscaper();
    }
  }

  /** Prints bytes; returns whether standard output still has a reader. */
  write(bytes: Uint8Array): boolean {
    return this.#print(this.#escaper?.push(bytes) ?? bytes);
  }

  /** Prints what was kept of an incomplete character. */
  end(): void {
    const rest = this.#escaper?.end() ?? new Uint8Array(0);
    if (rest.length > 0) this.#print(rest);
  }
}
