import * as v from "valibot";
import { flag, text } from "./values.ts";

/** The keys that the section of every service has, to be spread into its schema. */
export const SERVICE_KEYS = {
  enabled: v.optional(flag(), true),
  /** The certificate and its key, as files; without them the service speaks plainly. */
  tls: v.optional(v.strictObject({ cert: text(), key: text() })),
  /** Allows other machines to connect without a token. */
  insecure: v.optional(flag(), false),
};
