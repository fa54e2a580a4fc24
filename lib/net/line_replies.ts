const encoder = new TextEncoder();

/** The replies that a `Listener` itself sends to clients of a line protocol. */
export const LINE_REPLIES = {
  fullReply: encoder.encode("ERR server full\n"),
  timeoutReply: encoder.encode("ERR request timeout\n"),
} as const;
