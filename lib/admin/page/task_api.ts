/// <reference lib="dom" />
import { ask, post } from "./api.ts";

/** The names of the actions of the task service that the page offers. */
export type TaskAction =
  | "kick"
  | "bury"
  | "delete"
  | "cancel"
  | "flush"
  | "move"
  | "release"
  | "quiet"
  | "resume";

/**
 * Requests an action of the task service.
 *
 * @returns The outcome, as a sentence for the user.
 * @throws {Error} If it failed; the message is for the user.
 */
export function act(action: TaskAction, fields: Record<string, unknown>): Promise<string> {
  return post(`/services/task/actions/${action}`, fields);
}

/**
 * Asks the task service.
 *
 * @throws {Error} If it does not answer; the message is for the user.
 */
export function askTask<T>(query: string, fields: Record<string, unknown>): Promise<T> {
  return ask<T>(`/services/task/queries/${query}`, fields);
}
