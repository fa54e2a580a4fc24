/** Who may hear the daemon's own events, by the beginning of their subjects. */
const RESERVED: readonly { prefix: string; service: string }[] = [
  { prefix: "__keyspace@", service: "kv" },
  { prefix: "__keyevent@", service: "kv" },
  { prefix: "task.", service: "task" },
];

const UNDERSCORE = 95;
const T = 116;

/** What kv puts before the channels of Redis clients that are no valid subjects. */
const PRIVATE_MARK = "\0";

/**
 * The service whose clients may hear a subject on which the daemon announces events. Clients cannot
 * publish there.
 *
 * @returns The name of the service; `undefined` for any other subject.
 */
export function reservedFor(subject: string): string | undefined {
  const start = subject.startsWith(PRIVATE_MARK) ? 1 : 0;
  const first = subject.charCodeAt(start);
  if (first !== UNDERSCORE && first !== T) return undefined;
  return RESERVED.find(({ prefix }) => subject.startsWith(prefix, start))?.service;
}
