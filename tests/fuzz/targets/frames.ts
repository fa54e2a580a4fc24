import {
  decodeAbort,
  decodeFrame,
  decodePlan,
  decodeSample,
  decodeTallies,
  encodeAbort,
  encodeFrame,
  encodeSample,
  encodeTallies,
  FRAME,
  FRAME_HEADER_BYTES,
  FrameError,
  readDataFrame,
  sealFrame,
  writeDataFrame,
} from "../../../lib/mesh/link/frame.ts";
import { decodeTop, encodeTop } from "../../../lib/mesh/link/top_frame.ts";
import { decodeKeyList, encodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import { emptyTally } from "../../../lib/mesh/records/checksum.ts";
import { joined } from "../input.ts";
import { attempt, type FuzzTarget, shown } from "../target.ts";

const keys = encodeKeyList([
  { key: Uint8Array.of(1, 2, 3), order: 5 },
  { key: Uint8Array.of(4), order: 7 },
]);
const piece = { bucket: 1, slot: 0, bytes: 4, records: 1, order: 9, sum: 3, fileBytes: 4 };
const dataFrame = new Uint8Array(1000);
const dataLength = writeDataFrame(piece, Uint8Array.of(1, 2, 3, 4), dataFrame);

/** Frames between nodes, after `FRAME` and then with a checksum that is right. */
export const frameTargets: readonly FuzzTarget[] = [false, true].map((sealed) => ({
  name: sealed ? "mesh frames, sealed" : "mesh frames",
  samples: [
    encodeFrame(FRAME.PING),
    encodeFrame(
      FRAME.SAMPLE,
      encodeSample({ bytes: 100, maxBuckets: 3, header: Uint8Array.of(97, 10), keys }),
    ),
    dataFrame.slice(0, dataLength),
    encodeFrame(FRAME.END, encodeTallies(emptyTally())),
    encodeFrame(FRAME.COMPLETE, encodeTallies(emptyTally(), emptyTally())),
    encodeFrame(FRAME.ABORT, encodeAbort({ node: 1, reason: "because" })),
    encodeFrame(FRAME.TOP, encodeTop([{ count: 2, rank: 0, bytes: Uint8Array.of(120, 10) }])),
  ],
  run(pieces) {
    const bytes = joined(pieces);
    if (sealed && bytes.length >= FRAME_HEADER_BYTES) {
      const view = new DataView(bytes.buffer);
      sealFrame(bytes, view.getUint32(4) as typeof FRAME.PING);
    }
    return [attempt([FrameError], () => {
      const frame = decodeFrame(bytes);
      if ("needed" in frame) return frame;
      return `${frame.type} ${contentOf(frame)}`;
    })];
  },
}));

function contentOf({ type, payload }: { type: number; payload: Uint8Array }): string {
  switch (type) {
    case FRAME.SAMPLE:
      return shown([decodeSample(payload), decodeKeyList(decodeSample(payload).keys)]);
    case FRAME.PLAN:
      return shown(decodeKeyList(decodePlan(payload).splitters));
    case FRAME.DATA:
      return shown(readDataFrame(payload));
    case FRAME.END:
      return shown(decodeTallies(payload, 1));
    case FRAME.COMPLETE:
      return shown(decodeTallies(payload, 2));
    case FRAME.ABORT:
      return shown(decodeAbort(payload));
    case FRAME.TOP:
      return shown(decodeTop(payload, { rank: 0, limit: 100 }));
    default:
      return "";
  }
}
