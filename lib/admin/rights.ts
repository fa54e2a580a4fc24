import { rightsWord } from "../config/rights.ts";

/** A right that a token can have at admin. */
export type AdminRight = "look" | "act";

/** The schema of the rights: to look, or also to make changes. */
export const adminRights = rightsWord({ look: ["look"], act: ["look", "act"] });
