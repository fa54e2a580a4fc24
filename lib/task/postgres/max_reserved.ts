import type postgres from "postgres";
import type { TubeRules } from "../queue.ts";
import { names, query, STATE } from "./statements.ts";

/** A tube and its rules. */
export interface RuledTube {
  readonly name: string;
  readonly rules: TubeRules;
}

/**
 * Locks tubes and counts how many more of their jobs `max_reserved` allows to run. No other
 * transaction can reserve one of their jobs until this one ends.
 *
 * @param tubes Tubes that have a limit.
 * @returns The number of jobs by the name of the tube.
 */
export async function lockRoom(
  sql: postgres.ISql,
  tubes: readonly RuledTube[],
): Promise<Map<string, number>> {
  const list = names(tubes.map(({ name }) => name).sort());
  await query(
    sql,
    `INSERT INTO quartet.task_tubes (name) SELECT unnest($1::text::text[])
      ON CONFLICT (name) DO NOTHING`,
    [list],
  );
  await query(
    sql,
    `SELECT FROM quartet.task_tubes WHERE name = ANY ($1::text::text[]) ORDER BY name FOR UPDATE`,
    [list],
  );
  const counts = await query<{ tube: string; count: number }>(
    sql,
    `SELECT tube, count(*) AS count FROM quartet.task_jobs
      WHERE state = ${STATE.reserved} AND tube = ANY ($1::text::text[]) GROUP BY tube`,
    [list],
  );
  const reserved = new Map(counts.map(({ tube, count }) => [tube, count]));
  return new Map(
    tubes.map(({ name, rules }) => [
      name,
      Math.max(0, rules.maxReserved - (reserved.get(name) ?? 0)),
    ]),
  );
}

/** As {@linkcode lockRoom} for one tube, with or without a limit: whether one more job may run. */
export async function lockHasRoom(sql: postgres.ISql, tube: RuledTube): Promise<boolean> {
  if (tube.rules.maxReserved === 0) return true;
  return (await lockRoom(sql, [tube])).get(tube.name)! > 0;
}
