import * as v from "valibot";
import { TrustedSenders } from "../net/trusted_senders.ts";
import type { Value } from "./values.ts";

/** The maximum length of the list. */
const MAX_SENDERS = 100;

/** The list of trusted senders of PROXY headers, which stays as the file spells it. */
export function trustedSenders(): Value<string[], string[]> {
  return v.pipe(
    v.array(sender()),
    v.maxLength(MAX_SENDERS, `at most ${MAX_SENDERS} networks`),
  );
}

function sender(): Value<string, string> {
  const allowed = 'a network such as "10.0.0.0/8" or "2001:db8::/32", an address, or "unix"';
  return v.pipe(
    v.string(allowed),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      try {
        new TrustedSenders([dataset.value]);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        addIssue({ message: `${allowed}; ${error.message}` });
      }
    }),
    // For editors; the check above has more to say.
    v.metadata({ pattern: "^(unix|[0-9a-fA-F:.]+(/[0-9]+)?)$" }),
  );
}
