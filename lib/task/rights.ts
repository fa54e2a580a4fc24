/**
 * The rights that a token can have at task: to put jobs into tubes, and to work on those in tubes.
 *
 * @module
 */

import { GLOBS, rightsTable } from "../config/rights.ts";
import type { Rights } from "../rights.ts";
import { tubeOf } from "./events.ts";

/** The schema of the rights, with globs of tubes. */
export const taskRights = rightsTable(["put", "work"], GLOBS);

/** Whether a client may know what becomes of the jobs in a tube. */
export function mayFollow(rights: Rights, tube: string): boolean {
  return rights.allows("work", tube) || rights.allows("put", tube);
}

/** Whether a client may hear an event of a job. */
export function mayHearJobs(rights: Rights, subject: string): boolean {
  return mayFollow(rights, tubeOf(subject));
}
