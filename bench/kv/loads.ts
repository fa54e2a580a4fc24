import { LoadSockets } from "../support/load_sockets.ts";
import { measure, type Measurement } from "../support/measure.ts";
import { cpuSeconds } from "../support/usage.ts";
import type { ServerProcess } from "../support/servers.ts";

/** The results of one run. */
export interface Timings extends Omit<Measurement, "serverCpuPerMillion"> {
  /** The latency that half of all requests stayed below, and 99 %. */
  p50Ms: number;
  p99Ms: number;
  /** See {@linkcode Measurement}; `NaN` for redis-benchmark, where it is not measured. */
  loadBusy: number;
}

/** The number of keys that the loads use. */
export const KEYS = 100_000;

/** The options of redis-benchmark. */
export interface RedisLoad {
  command: "set" | "get";
  pipeline: number;
  requests: number;
}

/** Runs redis-benchmark with 50 connections. */
export async function redisBenchmark(
  server: ServerProcess,
  { command, pipeline, requests }: RedisLoad,
): Promise<Timings> {
  const flags = { "-p": server.port, "-c": 50, "-r": KEYS, "-n": requests, "-P": pipeline };
  const args = [...Object.entries(flags).flat().map(String), "-t", command, "--csv"];
  const startedMs = performance.now();
  const before = await cpuSeconds(server.pid);
  const { stdout } = await new Deno.Command("redis-benchmark", { args }).output();
  const elapsed = (performance.now() - startedMs) / 1000;
  const busy = (await cpuSeconds(server.pid) - before) / elapsed;
  // "test","rps","avg","min","p50","p95","p99","max", the latencies in milliseconds.
  const row = new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
  const cells = row.split(",").map((cell) => Number(cell.replaceAll('"', "")));
  return {
    perSecond: cells[1]!,
    p50Ms: cells[4]!,
    p99Ms: cells[6]!,
    serverBusy: busy,
    loadBusy: NaN,
  };
}

/** A load in the text protocol. */
export interface TextLoad {
  command: "PUT" | "GET";
  connections: number;
  /** The number of requests that a connection has in flight. */
  inFlight: number;
  valueBytes: number;
  seconds: number;
}

const encoder = new TextEncoder();
const NEWLINE = 10;

/** The key with a number: 16 bytes, like those of redis-benchmark. */
export function keyOf(number: number): string {
  return `key:${String(number).padStart(12, "0")}`;
}

/** Sends batches of requests over many connections, each after the replies to the previous one. */
export async function textLoad(server: ServerProcess, load: TextLoad): Promise<Timings> {
  const { connections, inFlight, seconds } = load;
  const batches = makeBatches(load);
  using sockets = new LoadSockets();
  sockets.connect(server.port, connections);
  const missing = new Int32Array(connections);
  const sentMs = new Float64Array(connections);
  let latencies: number[] = [];
  let next = 0, answered = 0;

  function send(index: number): void {
    missing[index] = inFlight;
    sentMs[index] = performance.now();
    sockets.send(index, batches[next++ % batches.length]!);
  }
  function onReceived(index: number, bytes: number): void {
    const { received } = sockets;
    for (let at = 0; at < bytes; at++) if (received[at] === NEWLINE) missing[index]!--;
    if (missing[index] !== 0) return;
    latencies.push(performance.now() - sentMs[index]!);
    answered += inFlight;
    send(index);
  }
  function round(): number {
    answered = 0;
    sockets.receive(onReceived);
    return answered;
  }

  for (let index = 0; index < connections; index++) send(index);
  const measured = await measure(server, { seconds, round, onWarm: () => latencies = [] });
  latencies.sort((a, b) => a - b);
  const quantile = (part: number) => latencies[Math.floor(part * latencies.length)] ?? NaN;
  return { ...measured, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

/** Makes batches in advance, so that the generator only sends. */
function makeBatches({ command, inFlight, valueBytes }: TextLoad): Uint8Array<ArrayBuffer>[] {
  const value = "v".repeat(valueBytes);
  return Array.from({ length: 4096 }, () => {
    let text = "";
    for (let count = 0; count < inFlight; count++) {
      const key = keyOf(Math.floor(Math.random() * KEYS));
      text += command === "PUT" ? `PUT ${key} ${value}\n` : `GET ${key}\n`;
    }
    return encoder.encode(text);
  });
}

/** Writes keys 0 to `count` over the text protocol. */
export function fill(server: ServerProcess, count: number, valueBytes: number): void {
  using sockets = new LoadSockets();
  sockets.connect(server.port, 1);
  const value = "v".repeat(valueBytes);
  for (let number = 0; number < count;) {
    let text = "", missing = 0;
    for (; missing < 1000 && number < count; missing++) text += `PUT ${keyOf(number++)} ${value}\n`;
    sockets.send(0, encoder.encode(text));
    while (missing > 0) {
      sockets.receive((_, bytes) => {
        for (let at = 0; at < bytes; at++) if (sockets.received[at] === NEWLINE) missing--;
      });
    }
  }
}

/** Writes keys 0 to `count` over the Redis protocol. */
export function fillRedis(server: ServerProcess, count: number, valueBytes: number): void {
  using sockets = new LoadSockets();
  sockets.connect(server.port, 1);
  const value = `$${valueBytes}\r\n${"v".repeat(valueBytes)}\r\n`;
  for (let number = 0; number < count;) {
    let text = "", missing = 0;
    for (; missing < 1000 && number < count; missing++) {
      text += `*3\r\n$3\r\nSET\r\n$16\r\n${keyOf(number++)}\r\n${value}`;
    }
    sockets.send(0, encoder.encode(text));
    while (missing > 0) {
      sockets.receive((_, bytes) => {
        for (let at = 0; at < bytes; at++) if (sockets.received[at] === NEWLINE) missing--;
      });
    }
  }
}
