import type postgres from "postgres";
import type { ReservedRow } from "./requests.ts";
import { names, numbers, query, RESERVE } from "./statements.ts";
import {
  isLimited,
  type LockedTube,
  lockTubes,
  type RuledTube,
  takeTokens,
  type TokensLeft,
} from "./tube_limits.ts";

/** The outcome of a reservation. */
export interface Reservation {
  /** The reserved jobs, in no order. */
  readonly rows: ReservedRow[];
  /** The token buckets of the tubes that have a rate, by the name of the tube. */
  readonly buckets: ReadonlyMap<string, TokensLeft>;
}

/**
 * Reserves the first ready jobs of some tubes, in one statement unless a tube has a limit.
 *
 * @param holders The clients that wait, one for each job and in their order, and their daemon.
 */
export async function reserveJobs(
  sql: postgres.Sql,
  tubes: readonly RuledTube[],
  holders: { clients: readonly number[]; daemon: number },
): Promise<Reservation> {
  const { clients, daemon } = holders;
  const limited = tubes.filter(isLimited);
  const reserve = (sql: postgres.ISql, locked: ReadonlyMap<string, LockedTube>) =>
    query<ReservedRow>(sql, RESERVE, [
      names(tubes.map(({ name }) => name)),
      numbers(
        tubes.map(({ name }) => Math.min(clients.length, locked.get(name)?.room ?? Infinity)),
      ),
      numbers(clients),
      String(daemon),
    ]);
  if (limited.length === 0) return { rows: await reserve(sql, new Map()), buckets: new Map() };
  return await (sql.begin(async (sql) => {
    const locked = await lockTubes(sql, limited);
    const rows = await reserve(sql, locked);
    const taken = new Map(limited.map(({ name }) => [name, 0]));
    for (const { tube } of rows) taken.set(tube, (taken.get(tube) ?? 0) + 1);
    return { rows, buckets: await takeTokens(sql, locked, taken) };
  }) as Promise<Reservation>);
}
