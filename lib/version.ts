// As text, because an executable with a JSON module in its graph never writes its V8 code cache.
import project from "../deno.json" with { type: "text" };

/** The version of quartet, from deno.json. */
export const VERSION: string = JSON.parse(project).version;
