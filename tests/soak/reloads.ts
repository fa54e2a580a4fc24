import type { Address } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import type { DaemonProcess } from "../support/daemon.ts";
import { type Part, pause } from "./part.ts";

const RELOAD_EVERY_MS = 2000;
const LINE_BYTES = 60_000;

/** Limits that each reload changes. */
export interface Limits {
  maxLineBytes: number;
  maxClients: number;
  drainTimeoutSeconds: number;
}

/** The limits after so many reloads. */
export function limitsAt(turn: number): Limits {
  return {
    maxLineBytes: turn % 2 === 0 ? 2 * LINE_BYTES : LINE_BYTES / 2,
    maxClients: 5000 + turn % 10,
    drainTimeoutSeconds: 9 + turn % 2,
  };
}

/**
 * Changes limits again and again by reloads. A client that is connected all the time must feel each
 * change.
 *
 * @param config The configuration with some limits.
 */
export function reloadsPart(
  daemon: DaemonProcess,
  { kv, config }: { kv: Address; config: (limits: Limits) => string },
): Part {
  let turn = 0;
  return {
    name: "reloads",
    async run(stop) {
      using client = await TestClient.connect(kv);
      const line = `PUT soak-reloads ${"x".repeat(LINE_BYTES)}\n`;
      const before = turn;
      while (!stop.aborted) {
        const limits = limitsAt(++turn);
        await Deno.writeTextFile(daemon.configFile, config(limits));
        daemon.signal("SIGHUP");
        await daemon.loggedTimes("msg=Reloaded", turn);
        await client.send(line);
        const reply = await client.line();
        const isTooLong = line.length > limits.maxLineBytes;
        if (!(isTooLong ? /^ERR line too long/ : /^OK$/m).test(reply)) {
          throw new Error(`with max_line ${limits.maxLineBytes}, a long line got ${reply}`);
        }
        await pause(RELOAD_EVERY_MS, stop);
      }
      return `${turn - before} reloads, each with changed limits`;
    },
  };
}
