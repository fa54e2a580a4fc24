/// <reference lib="dom" />
import type { DaemonJson } from "./daemon_json.ts";

/** How long the daemon may take to answer. */
const ANSWER_MAX_MS = 5000;
/** How long it may take to do something: a service that is switched off finishes its work first. */
const ACTION_MAX_MS = 120_000;

/**
 * Asks for the daemon at this moment.
 *
 * @param logAfter The position behind the lines of the log that are here already.
 */
export async function fetchDaemon(logAfter: number): Promise<DaemonJson> {
  const signal = AbortSignal.timeout(ANSWER_MAX_MS);
  const response = await fetch(`/state?log=${logAfter}`, { signal });
  // A session is over after some hours, and with every new configuration.
  if (response.status === 401) location.assign("/login");
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return await response.json() as DaemonJson;
}

/**
 * Has something done.
 *
 * @returns What it came to, in a sentence.
 * @throws {Error} If it was not done; the message is for people.
 */
export async function post(path: string, body: unknown): Promise<string> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ACTION_MAX_MS),
  });
  const { message = "", error } = await response.json() as { message?: string; error?: string };
  if (!response.ok) throw new Error(error ?? `HTTP ${response.status}`);
  return message;
}
