/**
 * Requests as people see them: in the slow log and in the output of MONITOR.
 *
 * @module
 */

import type { Request } from "./resp/request.ts";

/** How much of a request is shown. */
export interface SummaryLimits {
  maxArguments: number;
  /** The maximum length of one argument. */
  maxChars: number;
}

/** The arguments of a request, cut to the limits, with notes about what is missing. */
export function summarize(request: Request, limits: SummaryLimits): string[] {
  const { maxArguments, maxChars } = limits;
  const { count } = request;
  const shown = count > maxArguments ? maxArguments - 1 : count;
  const words: string[] = [];
  for (let index = 0; index < shown; index++) {
    const more = request.end(index) - request.start(index) - maxChars;
    const text = request.text(index, maxChars);
    words.push(more > 0 ? `${text}... (${more} more bytes)` : text);
  }
  if (shown < count) words.push(`... (${count - shown} more arguments)`);
  return words;
}
