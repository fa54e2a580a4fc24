import type { PostgresServer } from "../support/postgres.ts";
import { type Part, pause } from "./part.ts";

const RUNS_MS = 12_000;
const IS_GONE_MS = 1500;

/** Kills PostgreSQL again and again, and starts it again a moment later. */
export function postgresRestartsPart(server: PostgresServer): Part {
  return {
    name: "restarts",
    async run(stop) {
      let restarts = 0;
      for (; !stop.aborted; restarts++) {
        await pause(RUNS_MS, stop);
        await server.kill();
        await pause(IS_GONE_MS);
        await server.restart();
      }
      return `${restarts} restarts after a crash`;
    },
  };
}
