import type { Address } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { below, type Part, pause, secretName } from "./part.ts";

const CLIENTS = 4;
const KEYS = 200;
const PIPELINE = 16;
const PAUSE_MS = 2;

/** Clients with keys of their own, which check each reply against the value they expect. */
export function kvKeysPart(address: Address): Part {
  return {
    name: "keys",
    async run(stop) {
      const clients = Array.from({ length: CLIENTS }, () => runClient(address, stop));
      const requests = (await Promise.all(clients)).reduce((sum, count) => sum + count, 0);
      return `${requests} requests of ${CLIENTS} clients`;
    },
  };
}

async function runClient(address: Address, stop: AbortSignal): Promise<number> {
  const name = secretName();
  const held = new Map<string, string>();
  using client = await TestClient.connect(address);
  let requests = 0;
  while (!stop.aborted) {
    const expected: string[] = [];
    let batch = "";
    for (let i = 0; i < PIPELINE; i++) {
      const [request, reply] = nextRequest(`${name}-${below(KEYS)}`, held, requests + i);
      batch += request;
      expected.push(reply);
    }
    await client.send(batch);
    for (const reply of expected) await expect(client, reply);
    requests += PIPELINE;
    await pause(PAUSE_MS);
  }
  for (let key = 0; key < KEYS; key++) {
    const value = held.get(`${name}-${key}`);
    await client.send(`GET ${name}-${key}\n`);
    await expect(client, value === undefined ? "NOT_FOUND\n" : `VALUE ${value}\n`);
  }
  return requests + KEYS;
}

/** A random request, and the reply that it must get. */
function nextRequest(key: string, held: Map<string, string>, serial: number): [string, string] {
  const value = held.get(key);
  const choice = below(4);
  if (choice === 0) {
    return [`GET ${key}\n`, value === undefined ? "NOT_FOUND\n" : `VALUE ${value}\n`];
  }
  if (choice === 1) {
    held.delete(key);
    return [`DELETE ${key}\n`, value === undefined ? "NOT_FOUND\n" : "OK\n"];
  }
  const next = `${serial}${"x".repeat(below(200))}`;
  held.set(key, next);
  return [`PUT ${key} ${next}\n`, "OK\n"];
}

async function expect(client: TestClient, reply: string): Promise<void> {
  const line = await client.line();
  if (line !== reply) throw new Error(`expected ${reply.trim()}, got ${line.trim()}`);
}
