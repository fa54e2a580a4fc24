import { editorSchema } from "../config/editor_schema.ts";
import { parseManual } from "../config/manual.ts";
import { SERVICES } from "../services.ts";
import { type Command, EXIT } from "./command.ts";
import { CONFIG_TEMPLATE } from "./config_template.ts";
import { print } from "./terminal.ts";

/** The name of the schema's file, as the first line of config.toml gives it. */
export const SCHEMA_FILE = "quartet.schema.json";

/** `quartet schema`: prints the JSON Schema of the configuration. */
export const schema: Command = {
  name: "schema",
  summary: "Prints the JSON Schema of the configuration, for editors",
  usage: "",
  positionals: [0, 0],
  options: [],
  details: `quartet schema > ${SCHEMA_FILE}

Editors with a TOML language server (Taplo, Even Better TOML, Tombi) then complete, explain and
check a configuration in the same directory that begins with this line, as config.toml does:

#:schema ${SCHEMA_FILE}

The schema does not know everything that "quartet check" does.`,
  run: () => {
    print(schemaText());
    return Promise.resolve(EXIT.OK);
  },
};

/** The JSON Schema as the text of a file, without the last line end. */
export function schemaText(): string {
  return JSON.stringify(editorSchema(SERVICES, parseManual(CONFIG_TEMPLATE)), null, 2);
}
