import project from "../deno.json" with { type: "json" };

/** The version of quartet. */
export const VERSION: string = project.version;
