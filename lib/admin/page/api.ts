/// <reference lib="dom" />
import type { DaemonJson, HistoryJson } from "./daemon_json.ts";

/** Time limit for reading the daemon's state. */
const READ_TIMEOUT_MS = 5000;
/** Time limit for an action: a service that is switched off finishes its work first. */
const ACTION_TIMEOUT_MS = 120_000;

/**
 * Reads the daemon's current state.
 *
 * @param logAfter Position in the log after the last line already received.
 * @throws {Error} If the daemon does not answer in time, or answers with an error.
 */
export async function fetchDaemon(logAfter: number): Promise<DaemonJson> {
  const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
  const response = await fetch(`/state?log=${logAfter}`, { signal });
  // Sessions expire after some hours and with every reload.
  if (response.status === 401) location.assign("/login");
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return await response.json() as DaemonJson;
}

/**
 * Reads what the daemon has kept of the last seconds.
 *
 * @throws {Error} If the daemon does not answer in time, or answers with an error.
 */
export async function fetchHistory(rangeS: number): Promise<HistoryJson> {
  const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
  const response = await fetch(`/history?range=${rangeS}`, { signal });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return await response.json() as HistoryJson;
}

/**
 * Requests an action.
 *
 * @returns The outcome, as a sentence for the user.
 * @throws {Error} If it failed; the message is for the user.
 */
export async function post(path: string, body: unknown): Promise<string> {
  const { message = "" } = await send<{ message?: string }>(path, body, ACTION_TIMEOUT_MS);
  return message;
}

/**
 * Asks a question.
 *
 * @throws {Error} If it is not answered; the message is for the user.
 */
export function ask<T>(path: string, body: unknown): Promise<T> {
  return send<T>(path, body, READ_TIMEOUT_MS);
}

async function send<T>(path: string, body: unknown, timeoutMs: number): Promise<T> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const answer = await response.json() as T & { error?: string };
  if (!response.ok) throw new Error(answer.error ?? `HTTP ${response.status}`);
  return answer;
}
