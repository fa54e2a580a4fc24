/** Who may hear the daemon's own events, by the beginning of their subjects. */
const RESERVED: readonly { prefix: string; service: string }[] = [
  { prefix: "__keyspace@", service: "kv" },
  { prefix: "__keyevent@", service: "kv" },
  { prefix: "task.", service: "task" },
];

const UNDERSCORE = 95;
const T = 116;

/**
 * The service whose clients may hear a subject on which the daemon announces events. Clients cannot
 * publish there.
 *
 * @returns The name of the service; `undefined` for any other subject.
 */
export function reservedFor(subject: string): string | undefined {
  const first = subject.charCodeAt(0);
  if (first !== UNDERSCORE && first !== T) return undefined;
  return RESERVED.find(({ prefix }) => subject.startsWith(prefix))?.service;
}
