import { parseTextLine, TextError } from "../../../lib/kv/text/parser.ts";
import { parseCommand } from "../../../lib/mesh/node/console.ts";
import { parseControlMessage } from "../../../lib/mesh/node/control_message.ts";
import { parseHello } from "../../../lib/mesh/link/hello.ts";
import { LineOrder } from "../../../lib/mesh/records/line_order.ts";
import { isRecordFormat } from "../../../lib/mesh/records/record_format.ts";
import type { LineBatch } from "../../../lib/net/line_framer.ts";
import { LineFramer } from "../../../lib/net/line_framer.ts";
import { KV_TEXT_SAMPLES, MESH_SAMPLES } from "../samples.ts";
import { attempt, type FuzzTarget } from "../target.ts";

const MAX_LINE_BYTES = 4096;
const FORMAT = '{"recordBytes":0,"keyStart":0,"keyEnd":100,"order":["-t,","-k2n,2"],"top":3}';

/** Protocols of lines: each line is parsed by itself. */
export const lineTargets: readonly FuzzTarget[] = [
  lineTarget(
    "kv text",
    KV_TEXT_SAMPLES,
    ({ bytes, starts, ends }, i) =>
      attempt([TextError], () => parseTextLine(bytes, starts[i]!, ends[i]!)),
  ),
  lineTarget("mesh console", MESH_SAMPLES, (batch, i) =>
    attempt([SyntaxError], () => {
      const command = parseCommand(textAt(batch, i));
      if ("format" in command) {
        if (!isRecordFormat(command.format)) throw new Error("the format is none");
        new LineOrder(command.format);
      }
      return command;
    })),
  lineTarget(
    "mesh control",
    [
      `{"kind":"start","order":{"key":"k","id":1,"input":"a","output":"b","format":${FORMAT}}}\n`,
      '{"kind":"ended","key":"k","records":5,"failure":"x"}\n',
      '{"kind":"progress","key":"k","progress":{"node":1,"phase":"sort","doneBytes":1,' +
      '"totalBytes":2,"records":3,"sentBytes":4,"receivedBytes":5}}\n',
      '{"kind":"status","status":{"jobs":[],"up":[0,1]}}\n',
      '{"kind":"ping"}\n{"kind":"cancel","request":1,"job":2}\n',
    ],
    (batch, i) => attempt([SyntaxError], () => parseControlMessage(textAt(batch, i))),
  ),
  lineTarget(
    "mesh hello",
    [
      `{"version":2,"job":"x","node":0,"to":1,"nodes":2,"format":${FORMAT},` +
      '"partition":"sample","nonce":"00ff"}\n',
    ],
    (batch, i) => attempt([], () => parseHello(textAt(batch, i)) ?? null),
  ),
];

function lineTarget(
  name: string,
  samples: FuzzTarget["samples"],
  parse: (batch: LineBatch, line: number) => string,
): FuzzTarget {
  return {
    name,
    samples,
    run(pieces) {
      const framer = new LineFramer({ maxLineBytes: MAX_LINE_BYTES });
      const found: string[] = [];
      const collect = (batch: LineBatch) => {
        for (let i = 0; i < batch.count; i++) {
          found.push(batch.isTooLong(i) ? "too long" : parse(batch, i));
        }
      };
      for (const piece of pieces) {
        for (let at = 0; at < piece.length;) {
          const space = framer.space();
          if (space.length > 4 * MAX_LINE_BYTES) throw new Error("the buffer grows");
          const part = piece.subarray(at, at + space.length);
          space.set(part);
          collect(framer.took(part.length));
          at += part.length;
        }
      }
      collect(framer.end());
      return found;
    },
  };
}

function textAt(batch: LineBatch, line: number): string {
  return new TextDecoder().decode(batch.line(line));
}
