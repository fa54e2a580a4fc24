import { isPattern, isSubject } from "../../../lib/bus/subject.ts";
import {
  ConnectError,
  DEFAULT_CONNECT_OPTIONS,
  parseConnect,
} from "../../../lib/echo/nats/connect_options.ts";
import { NatsParser } from "../../../lib/echo/nats/parser.ts";
import { NATS_SAMPLES } from "../samples.ts";
import { attempt, feed, type FuzzTarget, latin1 } from "../target.ts";

type Operation = NonNullable<ReturnType<NatsParser["next"]>>;

const MAX_PAYLOAD_BYTES = 100;

/** Operations of NATS clients. */
export const natsTarget: FuzzTarget = {
  name: "NATS",
  samples: NATS_SAMPLES,
  run(pieces) {
    const parser = new NatsParser({ maxPayloadBytes: MAX_PAYLOAD_BYTES });
    const found: string[] = [];
    feed(pieces, {
      maxBytes: parser.maxInputBytes,
      parse(buffer) {
        for (let one; (one = parser.next(buffer)) !== null;) {
          found.push(...described(one));
          if (one.kind === "mistake") return false;
        }
        return true;
      },
    });
    return found;
  },
};

/** An operation as text; a publication as one text for each of its messages. */
function described(operation: Operation): string[] {
  switch (operation.kind) {
    case "publish": {
      const { bytes, starts, ends, subject, reply, hasHeaders, headerBytes } = operation;
      const valid = [subject, reply].map((text) => isSubject(text ?? ""));
      return Array.from({ length: operation.count }, (_, i) => {
        const payload = latin1(bytes.subarray(starts[i], ends[i]));
        return `publish ${subject} ${reply} ${valid} ${hasHeaders} ${headerBytes} ${payload}`;
      });
    }
    case "subscribe":
      return [`${JSON.stringify(operation)} ${isPattern(operation.pattern ?? "")}`];
    case "connect":
      return [attempt([ConnectError], () => parseConnect(operation.json, DEFAULT_CONNECT_OPTIONS))];
    default:
      return [JSON.stringify(operation)];
  }
}
