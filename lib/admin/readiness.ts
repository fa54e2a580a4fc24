import type { DaemonView } from "../service.ts";

/** Why the daemon is not ready; empty if it is. */
export function unreadiness(daemon: DaemonView): string[] {
  const reasons = daemon.services().flatMap((service) =>
    service.problems().map((problem) => `${service.name}: ${problem}`)
  );
  reasons.push(...daemon.bus.problems().map((problem) => `bus: ${problem}`));
  return daemon.state === "ready" ? reasons : [`the daemon is ${daemon.state}`, ...reasons];
}
