import { TestClient } from "../../tests/support/client.ts";
import { startDaemon } from "../../tests/support/daemon.ts";

/** The latencies of requests to kv. */
export interface Latencies {
  name: string;
  count: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

const IDLE_MS = 3000;
const REQUEST = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
/** The pause between requests, so that they measure latency and not throughput. */
const PAUSE_MS = 1;

/**
 * Measures the latency of kv while its daemon is otherwise idle, and while it sorts.
 *
 * @param input The file to sort.
 */
export async function kvLatencies(input: string): Promise<Latencies[]> {
  const config = '[kv]\nlisten = "127.0.0.1:0"\nstorage = "memory:"\n' +
    '[mesh]\nlisten = "127.0.0.1:0"\nmemory = "2GiB"\n';
  await using daemon = await startDaemon({ config });
  const directory = `${daemon.directory}/data/sort`;
  await Deno.copyFile(input, `${directory}/in`);
  using kv = await TestClient.connect(daemon.address("kv"));
  using mesh = await TestClient.connect(daemon.address("mesh"));
  (kv.conn as Deno.TcpConn).setNoDelay(true);

  const end = performance.now() + IDLE_MS;
  const idle = await measure(kv, () => performance.now() < end);
  await mesh.send("SORT in out\n");
  await mesh.line();
  let sorting = true;
  const watching = (async () => {
    while (sorting) {
      await mesh.send("STATUS\n");
      const line = await mesh.line();
      for (let more = line; more !== "END\n"; more = await mesh.line());
      sorting = /^job 1 (waiting|running)/.test(line);
      if (/^job 1 failed/.test(line)) throw new Error(line);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  const busy = await measure(kv, () => sorting);
  await watching;
  return [{ name: "idle", ...summary(idle) }, { name: "while it sorts", ...summary(busy) }];
}

async function measure(kv: TestClient, goOn: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (goOn()) {
    const startMs = performance.now();
    await kv.send(REQUEST);
    await kv.line();
    times.push(performance.now() - startMs);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return times;
}

function summary(times: number[]): Omit<Latencies, "name"> {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))]!;
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
