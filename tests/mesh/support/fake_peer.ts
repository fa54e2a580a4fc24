import { createLog } from "../../../lib/log.ts";
import { admitPeer } from "../../../lib/mesh/link/admit_peer.ts";
import {
  decodeAbort,
  encodeSample,
  encodeTallies,
  FRAME,
  type Frame,
  type FrameType,
} from "../../../lib/mesh/link/frame.ts";
import { encodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import { emptyTally } from "../../../lib/mesh/records/checksum.ts";
import { MESH_VERSION } from "../../../lib/mesh/link/hello.ts";
import { readFirstLine } from "../../../lib/mesh/link/first_line.ts";
import { Meeting } from "../../../lib/mesh/link/meeting.ts";
import type { PeerLink } from "../../../lib/mesh/link/peer_link.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { parseAddress } from "../../../lib/net/address.ts";
import { Listener } from "../../../lib/net/listener.ts";
import { within } from "../../support/within.ts";

const WAIT_MS = 120_000;

/** The last node of a mesh. It does only what the test tells it to. */
export class FakePeer implements AsyncDisposable {
  readonly links: Map<number, PeerLink>;
  readonly #listener: Listener;

  private constructor(listener: Listener, links: PeerLink[]) {
    this.#listener = listener;
    this.links = new Map(links.map((link) => [link.node, link]));
  }

  /** Joins as the last of the nodes; resolves when it is connected to all others. */
  static async join(addresses: string[]): Promise<FakePeer> {
    const node = addresses.length - 1;
    const hello = {
      version: MESH_VERSION,
      job: "sort",
      node,
      nodes: addresses.length,
      format: DEFAULT_RECORD_FORMAT,
      partition: "sample",
    } as const;
    const meeting = new Meeting({
      addresses: addresses.map(parseAddress),
      hello,
      dialTimeoutMs: WAIT_MS,
      stallTimeoutMs: WAIT_MS,
    });
    const listener = await Listener.listen(parseAddress(addresses[node]!), {
      maxClients: 100,
      idleTimeoutMs: 0,
      fullReply: new Uint8Array(0),
      log: createLog("fake", { level: "error", format: "text", sink: () => {} }),
      handle: async (connection) => {
        const first = await readFirstLine(connection);
        if (first) await admitPeer({ connection, ...first }, () => meeting);
      },
    });
    try {
      return new FakePeer(listener, await meeting.links);
    } catch (error) {
      await listener.close();
      throw error;
    }
  }

  /** The next frame of a type from a node; frames of other types are skipped. */
  async frame(node: number, type: FrameType): Promise<Frame> {
    for (;;) {
      const received = this.links.get(node)!.receive();
      const frame = await within(WAIT_MS, `a frame of type ${type}`, received);
      if (frame === null) throw new Error(`Node ${node} closed without a frame of type ${type}`);
      if (frame.type === type) return frame;
    }
  }

  /** The reason that a node gives for the failure of the job. */
  async abort(node: number): Promise<{ node: number; reason: string }> {
    return decodeAbort((await this.frame(node, FRAME.ABORT)).payload);
  }

  /** Sends the sample of an empty input, and waits for the plan. */
  async sample(): Promise<void> {
    const header = new Uint8Array(0);
    const sample = encodeSample({ bytes: 0, maxBuckets: 100, header, keys: encodeKeyList([]) });
    await this.links.get(0)!.send(FRAME.SAMPLE, sample);
    await this.frame(0, FRAME.PLAN);
  }

  /** Tells all others that it has sent no data, or what the tally says. */
  async end(tally = emptyTally()): Promise<void> {
    for (const link of this.links.values()) await link.send(FRAME.END, encodeTallies(tally));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.links.values()) link.close();
    await this.#listener.close();
  }
}
