import { gzipSync, zstdCompressSync } from "node:zlib";
import { endOfRecord } from "../../../lib/mesh/keys/csv_record.ts";
import { parseSortOrder } from "../../../lib/mesh/keys/sort_order.ts";
import { KeyEncoder } from "../../../lib/mesh/keys/key_encoder.ts";
import { DamagedError, decompress } from "../../../lib/mesh/sort/decompress.ts";
import { joined } from "../input.ts";
import { type FuzzTarget, latin1 } from "../target.ts";

/** Orders that read a line in all ways. */
const ORDERS = [
  ["-t,", "-k2n,2"],
  ["-k1b,1", "-k2,3r", "-s"],
  ["-k1g"],
  ["-k1h"],
  ["-k1V"],
  ["-k1M"],
  ["--json-key=a.b", "-n"],
];

const KEY_MAX_BYTES = 64;

/** Lines that are sorted by keys. */
const keysTarget: FuzzTarget = {
  name: "keys of lines",
  samples: [
    "a,12.5,x\n",
    "  -1e400 1K 0x1p3 nan\n",
    "file-1.2.3~rc1.tar.gz\n",
    '{"a":{"b":"\\u00e4\\n"},"c":[1,{"d":null}]}\n',
    "JAN feb xyz\n",
  ],
  run(pieces) {
    const bytes = joined(pieces);
    return ORDERS.map((order) => {
      const encoder = new KeyEncoder(parseSortOrder(order));
      const keys: string[] = [];
      for (let at = 0, end; at < bytes.length; at = end + 1) {
        end = bytes.indexOf(10, at);
        if (end < 0) end = bytes.length;
        encoder.encode(bytes, at, end, KEY_MAX_BYTES);
        if (encoder.length > KEY_MAX_BYTES) throw new Error("the key is too long");
        keys.push(latin1(encoder.bytes.subarray(0, encoder.length)));
      }
      return keys.join("\n");
    });
  },
};

/** The ends of records of CSV. */
const csvTarget: FuzzTarget = {
  name: "CSV",
  samples: ["a,b\n", '"x ""y"" \n z",2\r\n', '"', "\n"],
  run(pieces) {
    const bytes = joined(pieces);
    const ends: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = endOfRecord(bytes, at, bytes.length);
      if (end < 0) break;
      if (end < at || bytes[end] !== 10) throw new Error(`${end} is no end of a record`);
      ends.push(`${end}`);
      at = end + 1;
    }
    return ends;
  },
};

const TEXT = new TextEncoder().encode("some text, some text, and more text\n".repeat(20));

/** Compressed inputs. */
const compressedTargets: readonly FuzzTarget[] = (["gzip", "zstd"] as const).map((compression) => (
  {
    name: compression,
    samples: [compression === "gzip" ? gzipSync(TEXT) : zstdCompressSync(TEXT)],
    async run(pieces) {
      let text = "";
      try {
        await decompress(inOrder(pieces), compression, (bytes) => text += latin1(bytes));
        return [text, "complete"];
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        // How much came before depends on how much was there at once.
        return ["damaged"];
      }
    },
  }
));

async function* inOrder(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** Targets that read what is to be sorted. */
export const sortInputTargets: readonly FuzzTarget[] = [
  keysTarget,
  csvTarget,
  ...compressedTargets,
];
