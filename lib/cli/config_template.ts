import template from "../../config.toml" with { type: "text" };

/** The default configuration with its comments: the file config.toml of the project. */
export const CONFIG_TEMPLATE: string = template;
