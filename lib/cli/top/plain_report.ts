import { CommandError } from "../command.ts";
import type { DaemonReader } from "./daemon_reader.ts";
import {
  clientLines,
  headLine,
  meshLines,
  problemLines,
  serviceLines,
  subjectLines,
  tubeLines,
} from "./panels.ts";

/** How many clients of each service a report lists. */
const LISTED_CLIENTS = 20;

/** Lines of a report are as long as they need to be. */
const WIDTH = Infinity;

/**
 * Reads a daemon and describes it in plain lines.
 *
 * @throws {CommandError} If the daemon does not answer.
 */
export async function plainReport(reader: DaemonReader): Promise<string> {
  const snapshot = await reader.read();
  const { services } = snapshot.daemon;
  const lines = [
    headLine(snapshot, reader.address),
    ...problemLines(snapshot),
    "",
    ...serviceLines(snapshot, WIDTH),
  ];
  const runs = (service: string) =>
    services.some(({ name, running }) => running && name === service);
  if (runs("task")) lines.push("", "Tubes", ...tubeLines(snapshot, WIDTH));
  if (runs("echo")) lines.push("", "Subjects", ...subjectLines(snapshot, WIDTH));
  if (runs("mesh")) lines.push("", "Mesh", ...meshLines(snapshot, WIDTH));
  for (const { name } of services.filter(({ running }) => running)) {
    lines.push("", ...await clientsOf(name, reader));
  }
  return lines.join("\n");
}

async function clientsOf(service: string, reader: DaemonReader): Promise<string[]> {
  try {
    const { clients, total } = await reader.clients(service, { count: LISTED_CLIENTS });
    const rated = clients.map((client) => ({ ...client, receivedRate: null, sentRate: null }));
    const more = total > clients.length ? ` (${clients.length} of ${total})` : "";
    return [`Clients of ${service}${more}`, ...clientLines(rated, WIDTH)];
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return [`Clients of ${service}`, error.message];
  }
}
