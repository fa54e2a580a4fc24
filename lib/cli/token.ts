import { tokenDigest } from "../auth.ts";
import { type Command, EXIT, UsageError } from "./command.ts";
import { print } from "./terminal.ts";

/** Random bytes of a new token. */
const TOKEN_BYTES = 32;

/** What the name of a token looks like in the configuration. */
const NAME = /^[\w-]{1,64}$/;

/** `quartet token`: makes tokens. */
export const token: Command = {
  name: "token",
  summary: "Makes a token, and the line about it for the configuration",
  usage: "new [--name NAME]",
  positionals: [1, 1],
  options: [
    { name: "name", value: "NAME", help: "also prints the head of its section, with this name" },
  ],
  details:
    `The first line of the output is the token, for the clients; it is stored nowhere. The rest is for
the configuration, which needs to know only the hash. No file is changed. A token given by its hash
cannot open mesh: its nodes need the token itself.`,
  // deno-lint-ignore require-await
  run: async (args) => {
    const [action] = args.positionals;
    if (action !== "new") throw new UsageError(`"${action}" is not an action: new`);
    const name = args.text("name");
    if (name !== undefined && !NAME.test(name)) {
      throw new UsageError("--name needs 1 to 64 letters, digits, - and _");
    }
    const value = newToken();
    print(value);
    if (name !== undefined) print(`[auth.tokens.${name}]`);
    print(`hash = "sha256:${tokenDigest(value).toHex()}"`);
    return EXIT.OK;
  },
};

/** Draws a token. In hexadecimal it needs no quotes anywhere, and cannot pass for an option. */
function newToken(): string {
  return crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex();
}
