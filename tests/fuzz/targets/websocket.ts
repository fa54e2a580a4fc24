import { Decoder, type DecoderOptions } from "../../../lib/net/websocket/decoder.ts";
import { WEBSOCKET_SAMPLES } from "../samples.ts";
import { type FuzzTarget, latin1, shown } from "../target.ts";

/** Frames of WebSocket clients. */
export const websocketTargets: readonly FuzzTarget[] = (["lines", "bytes"] as const).map((form) => (
  {
    name: `WebSocket, ${form}`,
    samples: WEBSOCKET_SAMPLES,
    run: (pieces) => decode(pieces, { form, maxMessageBytes: 1000 }),
  }
));

function decode(pieces: Iterable<Uint8Array>, options: DecoderOptions): string[] {
  const decoder = new Decoder(options);
  const into = new Uint8Array(300);
  let out = "";
  for (const piece of pieces) {
    decoder.push(piece);
    for (let count; (count = decoder.take(into)) > 0;) out += latin1(into.subarray(0, count));
    const ping = decoder.takePing();
    if (ping !== undefined && ping.length > 125) throw new Error("a ping is too long");
  }
  const { ending, messages, begun } = decoder;
  return [out, shown(ending), `${messages}`, `${ending === undefined && begun}`];
}
