import { encodeLines, linesIn } from "../../net/websocket/encoder.ts";
import type { WebSocketSocket } from "../../net/websocket/socket.ts";
import type { LineOutput } from "../lines/broadcast.ts";

/** The name of the form in which a batch keeps its frames. */
const FORM = "websocket";

/**
 * Writes each line to a WebSocket as a message. All WebSockets share the frames of a batch, as
 * servers do not mask theirs.
 */
export function frameOutput(socket: WebSocketSocket): LineOutput {
  const { id, remote } = socket.connection;
  return {
    connection: {
      id,
      remote,
      get closed() {
        return socket.closed;
      },
      write: (frames) => socket.writeFrames(frames),
      close: () => socket.close(),
    },
    encode: (batch) => batch.encoded(FORM, ({ lines }) => encodeLines(lines)),
    encodeReplies: (lines) => encodeLines(linesIn(lines)).bytes,
  };
}
