import { PeerLink } from "../../../lib/mesh/link/peer_link.ts";
import { Connection } from "../../../lib/net/connection.ts";
import { pipe } from "../../../lib/net/pipe.ts";

/** Far longer than any test takes, so that no link stalls on a busy machine. */
const STALL_TIMEOUT_MS = 600_000;

/** Two ends of one link inside of this process: `here` is held by node `a`, `there` by node `b`. */
export function linkPair(a: number, b: number): { here: PeerLink; there: PeerLink } {
  const [ours, theirs] = pipe();
  const end = (socket: typeof ours, to: number) => (
    new PeerLink({
      node: to,
      name: `node ${to}`,
      connection: new Connection(socket, to, `node ${to}`),
      stallTimeoutMs: STALL_TIMEOUT_MS,
    })
  );
  return { here: end(ours, b), there: end(theirs, a) };
}
