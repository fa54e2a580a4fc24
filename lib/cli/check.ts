import { stringify } from "smol-toml";
import { redacted } from "../storage/url.ts";
import { type Command, EXIT } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import { print } from "./terminal.ts";

/** `quartet check`: says what is wrong with a configuration, or what it comes to. */
export const check: Command = {
  name: "check",
  summary: "Checks the configuration and prints what it comes to, defaults included",
  usage: "[--config FILE] [--set KEY=VALUE]…",
  positionals: [0, 0],
  options: CONFIG_OPTIONS,
  details: "Exits with 78 and a line for each fault if there is any.",
  run: (args) => {
    const { effective } = readConfig(args.text("config"), args.texts("set"));
    print(stringify(redacted(effective)).trimEnd());
    return Promise.resolve(EXIT.OK);
  },
};
