import type { LoadSockets } from "./load_sockets.ts";
import { measure, type Measurement } from "./measure.ts";
import type { ServerProcess } from "./servers.ts";

/** Options for {@linkcode measureSockets}. */
export interface SocketLoad {
  /** How long the run counts. */
  seconds: number;
  /** Called for each connection that has received bytes; returns how much is done thereby. */
  onReceived: (index: number, bytes: number) => number;
}

/** Measures a server by what its replies complete; the caller has sent the first requests. */
export function measureSockets(
  server: ServerProcess,
  sockets: LoadSockets,
  { seconds, onReceived }: SocketLoad,
): Promise<Measurement> {
  function round(): number {
    let done = 0;
    sockets.receive((index, bytes) => done += onReceived(index, bytes));
    return done;
  }
  return measure(server, { seconds, round });
}
