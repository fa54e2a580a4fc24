import type { Exchange } from "./exchange.ts";
import { KEY_TRANSCRIPTS } from "./key_transcripts.ts";
import { SERVER_TRANSCRIPTS } from "./server_transcripts.ts";
import { TRANSACTION_TRANSCRIPTS } from "./transaction_transcripts.ts";
import { VALUE_TRANSCRIPTS } from "./value_transcripts.ts";

/** Conversations by topic; each starts with an empty store. */
export const TRANSCRIPTS: Readonly<Record<string, readonly Exchange[]>> = {
  ...VALUE_TRANSCRIPTS,
  ...KEY_TRANSCRIPTS,
  ...TRANSACTION_TRANSCRIPTS,
  ...SERVER_TRANSCRIPTS,
};
