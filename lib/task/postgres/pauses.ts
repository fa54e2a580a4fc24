import type postgres from "postgres";
import { PAUSES, query } from "./statements.ts";

/** How many pauses are looked at: those that end first. */
const MAX_PAUSES = 1000;

/** Notices when pauses end, whichever daemon began them. */
export class Pauses {
  readonly #paused = new Set<string>();

  /**
   * Looks at the pauses.
   *
   * @returns The tubes whose pause has ended since the last look, and the time until the next pause
   * ends; `Infinity` if there is none.
   */
  async look(sql: postgres.ISql): Promise<{ ended: string[]; nextMs: number }> {
    // Another pause may begin during the query; it is for the next look.
    const known = [...this.#paused];
    const rows = await query<{ name: string; ms: number }>(sql, PAUSES, [String(MAX_PAUSES)]);
    const paused = new Set(rows.map(({ name }) => name));
    const ended = known.filter((name) => !paused.has(name));
    for (const name of ended) this.#paused.delete(name);
    for (const name of paused) this.#paused.add(name);
    return { ended, nextMs: rows[0]?.ms ?? Infinity };
  }

  /** Notes that a pause begins before the next look. */
  began(tube: string): void {
    this.#paused.add(tube);
  }
}
