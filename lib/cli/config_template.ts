import template from "../../config.toml" with { type: "text" };

/** The commented default configuration: config.toml in the root of the project. */
export const CONFIG_TEMPLATE: string = template;
