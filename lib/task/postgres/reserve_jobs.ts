import type postgres from "postgres";
import { lockRoom, type RuledTube } from "./max_reserved.ts";
import type { ReservedRow } from "./requests.ts";
import { names, numbers, query, RESERVE } from "./statements.ts";

/**
 * Reserves the first ready jobs of some tubes, in one statement unless a tube has a limit.
 *
 * @param holders The clients that wait, one for each job and in their order, and their daemon.
 * @returns The reserved jobs, in no order.
 */
export async function reserveJobs(
  sql: postgres.Sql,
  tubes: readonly RuledTube[],
  holders: { clients: readonly number[]; daemon: number },
): Promise<ReservedRow[]> {
  const { clients, daemon } = holders;
  const limited = tubes.filter(({ rules }) => rules.maxReserved > 0);
  const reserve = (sql: postgres.ISql, room: Map<string, number>) =>
    query<ReservedRow>(sql, RESERVE, [
      names(tubes.map(({ name }) => name)),
      numbers(tubes.map(({ name }) => Math.min(clients.length, room.get(name) ?? Infinity))),
      numbers(clients),
      String(daemon),
    ]);
  if (limited.length === 0) return await reserve(sql, new Map());
  return await (sql.begin(async (sql) => reserve(sql, await lockRoom(sql, limited))) as Promise<
    ReservedRow[]
  >);
}
