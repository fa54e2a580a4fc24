/**
 * The limits of tubes that all daemons share: `max_reserved`, and the token bucket of a rate. Both are
 * looked at while the row of the tube is locked; tubes without a limit have no row.
 *
 * @module
 */

import type postgres from "postgres";
import { storageUnavailable } from "../../storage/store.ts";
import type { TubeRules } from "../queue.ts";
import { fullAfter, fullAtRate, nextTokenAt, tokensIn } from "../../token_bucket.ts";
import { names, NOW, query, STATE } from "./statements.ts";

/**
 * How late a token may be taken and still count from when it came, if a client waited for it: the
 * timer is a little late, and so is the statement.
 */
const MAX_LATE_MS = 50;

/** A tube and its rules. */
export interface RuledTube {
  readonly name: string;
  readonly rules: TubeRules;
  /** Whether a client has waited for its next token. */
  readonly awaited?: boolean;
}

/** A locked tube. */
export interface LockedTube extends RuledTube {
  /** How many more of its jobs may be reserved now. */
  readonly room: number;
  /** When its bucket is full again. */
  readonly fullAt: number;
  /** Whether that is not in its row, which another rate has written. */
  readonly refilled: boolean;
  /** The clock of the database. */
  readonly now: number;
}

/** The token bucket of a tube after jobs were reserved. */
export interface TokensLeft {
  readonly tokens: number;
  /** The time until there is a token, if there is none. */
  readonly nextMs: number;
}

/** Whether its jobs cannot always be reserved. */
export function isLimited({ rules }: RuledTube): boolean {
  return rules.maxReserved > 0 || rules.rate !== null;
}

const ADD_ROWS = `
  INSERT INTO quartet.task_tubes (name) SELECT unnest($1::text::text[])
  ON CONFLICT (name) DO NOTHING`;

const LOCK_ROWS = `
  SELECT FROM quartet.task_tubes WHERE name = ANY ($1::text::text[]) ORDER BY name FOR UPDATE`;

/** The state of the locked rows. A statement of its own, because the lock may have taken a while. */
const READ_ROWS = `
  SELECT t.name, t.full_at, ${NOW} AS now, (
      SELECT count(*) FROM quartet.task_jobs AS j
      WHERE j.tube = t.name AND j.state = ${STATE.reserved}
    ) AS reserved
  FROM quartet.task_tubes AS t WHERE t.name = ANY ($1::text::text[])`;

const FILL_UNTIL = `
  UPDATE quartet.task_tubes AS t SET full_at = u.full_at
  FROM unnest($1::text::text[], $2::text::float8[]) AS u (name, full_at) WHERE t.name = u.name`;

/** How often rows are added that another daemon removes before they are locked. */
const MAX_LOCK_TRIES = 10;

/**
 * Locks tubes and finds how many more of their jobs may be reserved. No other transaction can reserve
 * one of their jobs until this one ends.
 *
 * @param tubes Tubes that have a limit.
 * @returns The tubes by name.
 */
export async function lockTubes(
  sql: postgres.ISql,
  tubes: readonly RuledTube[],
): Promise<Map<string, LockedTube>> {
  const list = names(tubes.map(({ name }) => name).sort());
  for (let tries = 1; (await query(sql, LOCK_ROWS, [list])).length < tubes.length; tries++) {
    if (tries > MAX_LOCK_TRIES) throw storageUnavailable("the rows of tubes come and go");
    await query(sql, ADD_ROWS, [list]);
  }
  const rows = await query<{ name: string; full_at: number; now: number; reserved: number }>(
    sql,
    READ_ROWS,
    [list],
  );
  const byName = new Map(rows.map((row) => [row.name, row]));
  return new Map(tubes.map((tube) => {
    const { full_at, now, reserved } = byName.get(tube.name)!;
    const { maxReserved, rate } = tube.rules;
    const fullAt = rate === null ? full_at : fullAtRate(full_at, now, rate);
    const places = maxReserved === 0 ? Infinity : Math.max(0, maxReserved - reserved);
    const tokens = rate === null ? Infinity : tokensIn(fullAt, now, rate);
    const { name, rules, awaited = false } = tube;
    const room = Math.min(places, tokens);
    return [name, { name, rules, awaited, room, fullAt, refilled: fullAt !== full_at, now }];
  }));
}

/**
 * Takes tokens for the jobs that were reserved in locked tubes.
 *
 * @param taken How many, by the name of the tube.
 * @returns What is left, by the name of the tube.
 */
export async function takeTokens(
  sql: postgres.ISql,
  tubes: ReadonlyMap<string, LockedTube>,
  taken: ReadonlyMap<string, number>,
): Promise<Map<string, TokensLeft>> {
  const left = new Map<string, TokensLeft>();
  const changes: { name: string; fullAt: number }[] = [];
  for (const tube of tubes.values()) {
    const { name, rules: { rate }, awaited, fullAt: before, refilled, now } = tube;
    if (rate === null) continue;
    const count = taken.get(name) ?? 0;
    const since = awaited ? now - MAX_LATE_MS : now;
    const fullAt = count === 0 ? before : fullAfter(before, since, { taken: count, rate });
    if (count > 0 || refilled) changes.push({ name, fullAt });
    const nextMs = Math.max(0, nextTokenAt(fullAt, rate) - now);
    left.set(name, { tokens: tokensIn(fullAt, now, rate), nextMs });
  }
  if (changes.length > 0) {
    await query(sql, FILL_UNTIL, [
      names(changes.map(({ name }) => name)),
      `{${changes.map(({ fullAt }) => fullAt).join()}}`,
    ]);
  }
  return left;
}
