import type { Address } from "../../lib/net/address.ts";
import { ClosedError, TestClient } from "../support/client.ts";
import { until } from "../support/within.ts";
import { below, type Part, pause, secretName } from "./part.ts";

const CLIENTS = 3;
const KEYS = 30;
const PAUSE_MS = 5;

/** A value, or none. */
type Held = string | undefined;

/** Options for {@linkcode KvAcknowledged}. */
export interface KvAcknowledgedOptions {
  valueBytes: number;
  /** Whether a write that is refused has had no effect; otherwise it may have had one. */
  refusalsAreFinal: boolean;
}

/**
 * Writes to a store whose storage fails at times. What was acknowledged is there, and what a client
 * has once read does not change by itself.
 */
export class KvAcknowledged implements Part {
  readonly name = "keys";
  readonly #options: KvAcknowledgedOptions;
  /** What each key may have. More than one value: a write may have had an effect or not. */
  readonly #possible = new Map<string, Set<Held>>();
  #counts = { written: 0, refused: 0, lost: 0 };
  #address: Address;

  constructor(address: Address, options: KvAcknowledgedOptions) {
    this.#address = address;
    this.#options = options;
  }

  async run(stop: AbortSignal): Promise<string> {
    this.#counts = { written: 0, refused: 0, lost: 0 };
    await Promise.all(Array.from({ length: CLIENTS }, () => this.#runClient(secretName(), stop)));
    await this.check(this.#address);
    return `${JSON.stringify(this.#counts).replace(/[{}"]/g, "")}; nothing acknowledged is lost`;
  }

  /** Reads all keys from a daemon, and checks them; returns how many there are. */
  async check(address: Address): Promise<number> {
    using client = await TestClient.connect(address);
    for (const key of this.#possible.keys()) {
      await until(`${key} can be read`, () => this.#read(client, key), 60_000, 100);
    }
    return this.#possible.size;
  }

  async #runClient(name: string, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      using client = await TestClient.connect(this.#address);
      try {
        while (!stop.aborted) {
          await this.#step(client, `${name}:${below(KEYS)}`);
          await pause(PAUSE_MS);
        }
      } catch (error) {
        if (!(error instanceof ClosedError || error instanceof Deno.errors.ConnectionReset)) {
          throw error;
        }
        this.#counts.lost++;
      }
    }
  }

  async #step(client: TestClient, key: string): Promise<void> {
    const choice = below(4);
    if (choice === 0) await this.#read(client, key);
    else if (choice === 1) await this.#write(client, key, undefined);
    else {
      const { valueBytes } = this.#options;
      await this.#write(client, key, `${crypto.randomUUID()}${"x".repeat(below(valueBytes))}`);
    }
  }

  async #write(client: TestClient, key: string, value: Held): Promise<void> {
    const possible = this.#possible.get(key) ?? new Set([undefined]);
    this.#possible.set(key, possible);
    const before = [...possible];
    possible.add(value);
    await client.send(value === undefined ? `DELETE ${key}\n` : `PUT ${key} ${value}\n`);
    const reply = (await client.line()).trimEnd();
    if (reply === "OK" || (reply === "NOT_FOUND" && value === undefined)) {
      const existed = reply === "OK" || before.includes(undefined);
      if (!existed) throw new Error(`${key} was acknowledged and is gone`);
      this.#possible.set(key, new Set([value]));
      this.#counts.written++;
    } else if (/^ERR storage unavailable/.test(reply)) {
      if (this.#options.refusalsAreFinal) this.#possible.set(key, new Set(before));
      this.#counts.refused++;
    } else throw new Error(`a write got "${reply.slice(0, 200)}"`);
  }

  /** Reads a key; returns whether that was possible. */
  async #read(client: TestClient, key: string): Promise<boolean> {
    const possible = this.#possible.get(key) ?? new Set([undefined]);
    await client.send(`GET ${key}\n`);
    const reply = (await client.line()).trimEnd();
    if (/^ERR (storage unavailable|loading)/.test(reply)) return false;
    const value = reply === "NOT_FOUND" ? undefined : reply.slice("VALUE ".length);
    if (!possible.has(value)) {
      const texts = [...possible].map((held) => held?.slice(0, 40));
      throw new Error(`${key} has ${value?.slice(0, 40)}, and could have ${texts}`);
    }
    this.#possible.set(key, new Set([value]));
    return true;
  }
}
