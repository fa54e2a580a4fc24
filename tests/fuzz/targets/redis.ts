import { type RespLimits, RespParser } from "../../../lib/kv/resp/parser.ts";
import { REDIS_SAMPLES } from "../samples.ts";
import { feed, type FuzzTarget } from "../target.ts";

const LIMITS: RespLimits = { maxArgumentBytes: 1000, maxRequestBytes: 4000, maxArguments: 100 };
/** A line that never ends, and what one read brings. */
const MAX_BYTES = 2 * 64 * 1024;

/** Requests of Redis clients, inline ones too, before and after a login. */
export const redisTargets: readonly FuzzTarget[] = [false, true].map((strict) => ({
  name: strict ? "Redis, before the login" : "Redis",
  samples: REDIS_SAMPLES,
  run(pieces) {
    const parser = new RespParser(LIMITS);
    parser.strict = strict;
    const found: string[] = [];
    feed(pieces, {
      maxBytes: MAX_BYTES,
      parse(buffer) {
        for (;;) {
          const status = parser.parse(buffer.bytes, buffer.start, buffer.end);
          if (status === "error") {
            found.push(parser.error);
            return false;
          }
          if (status === "request") {
            const { request } = parser;
            const words = Array.from({ length: request.count }, (_, i) => request.text(i));
            found.push(JSON.stringify(words));
          }
          buffer.consume(parser.consumed);
          if (status === "incomplete") return true;
        }
      },
    });
    return found;
  },
}));
