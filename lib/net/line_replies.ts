const encoder = new TextEncoder();

/** What a {@linkcode Listener} tells the clients of a line protocol by itself. */
export const LINE_REPLIES = {
  fullReply: encoder.encode("ERR server full\n"),
  timeoutReply: encoder.encode("ERR request timeout\n"),
} as const;
