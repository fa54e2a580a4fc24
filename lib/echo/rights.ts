import { covers, isPattern } from "../bus/subject.ts";
import { type PatternForm, rightsTable } from "../config/rights.ts";

/** Patterns of the bus: `*` stands for one token, and `>` at the end for one or more. */
const SUBJECTS: PatternForm = {
  allowed: 'a subject, with the wildcards of the bus: "orders.*", "orders.>"',
  test: isPattern,
  parse: (text) => ({
    matches: (subject) => covers(text, subject),
    covers: (pattern) => covers(text, pattern),
  }),
};

/** The schema of the rights that a token can have at echo. */
export const echoRights = rightsTable(["publish", "subscribe"], SUBJECTS);
