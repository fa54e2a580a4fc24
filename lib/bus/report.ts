import { Turn } from "../turn.ts";
import type { BusiestSubjects } from "./busiest.ts";
import type { Interests } from "./interests.ts";
import type { Interest } from "./subscription.ts";

/** The most patterns in a report. */
export const MAX_REPORTED_PATTERNS = 100;

/** The longest subject or pattern in a report, in characters. */
const MAX_SHOWN_CHARS = 200;

/** The steps between two looks at the clock. */
const STEPS_PER_LOOK = 64;

/** A subject that is published to, as JSON. */
export interface SubjectJson {
  subject: string;
  /** Messages since it came under the busiest. */
  messages: number;
  /** The subscriptions that match it. */
  subscribers: number;
}

/** A pattern that is subscribed to, as JSON. */
export interface PatternJson {
  pattern: string;
  /** The queue group; empty if every subscriber gets every message. */
  group: string;
  subscribers: number;
}

/** What a person may want to know of a bus, as JSON. */
export interface BusReportJson {
  /** The busiest subjects, those with most messages first. */
  subjects: SubjectJson[];
  /** The patterns with most subscribers. */
  patterns: PatternJson[];
  /** How many different patterns and groups there are. */
  totalPatterns: number;
}

/** Reports on a bus, in turns with other work. */
export async function reportOn(
  interests: Interests,
  busiest: BusiestSubjects,
): Promise<BusReportJson> {
  const turn = new Turn();
  const subjects: SubjectJson[] = [];
  for (const { subject, messages } of [...busiest]) {
    const matching = interests.matching(subject);
    const subscribers = matching.reduce((sum, { members }) => sum + members.length, 0);
    subjects.push({ subject: shown(subject), messages, subscribers });
    if (turn.over) await turn.next();
  }
  subjects.sort((a, b) => b.messages - a.messages);
  let largest: Interest[] = [];
  let steps = 0;
  for (const interest of interests) {
    if (interest.members.length > 0) largest.push(interest);
    // Twice the number, so that a sort is rare.
    if (largest.length >= 2 * MAX_REPORTED_PATTERNS) largest = largestOf(largest);
    if (++steps % STEPS_PER_LOOK === 0 && turn.over) await turn.next();
  }
  const patterns = largestOf(largest).map(({ pattern, group = "", members }) => (
    { pattern: shown(pattern), group: shown(group), subscribers: members.length }
  ));
  return { subjects, patterns, totalPatterns: interests.size };
}

function largestOf(interests: Interest[]): Interest[] {
  return interests.sort((a, b) => b.members.length - a.members.length)
    .slice(0, MAX_REPORTED_PATTERNS);
}

function shown(text: string): string {
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text;
}
