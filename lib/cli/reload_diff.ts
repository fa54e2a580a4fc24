/**
 * What a reload would do, as the daemon previews it and as `quartet check --diff` prints it.
 *
 * @module
 */

import * as v from "valibot";
import type { ReloadPreview, ServicePreview } from "../service.ts";

const names = v.array(v.string());

const previewSchema: v.GenericSchema<unknown, ReloadPreview> = v.object({
  faults: names,
  services: v.array(v.object({
    name: v.string(),
    action: v.picklist(["keep", "adjust", "restart", "start", "stop", "off"]),
    keys: names,
    waits: v.boolean(),
    tokens: v.object({ added: names, removed: names, changed: names }),
    closes: v.number(),
  })),
  keysAtOnce: names,
  keysForNextStart: names,
});

/** Checks the reply of a daemon; returns `undefined` if it is no preview. */
export function asPreview(reply: unknown): ReloadPreview | undefined {
  const { success, output } = v.safeParse(previewSchema, reply);
  return success ? output : undefined;
}

/** Whether a reload would disconnect clients, or leave a change to the next start. */
export function isDisruptive({ services, keysForNextStart }: ReloadPreview): boolean {
  return keysForNextStart.length > 0 ||
    services.some(({ action, closes }) => action === "restart" || action === "stop" || closes > 0);
}

/** Describes a preview without faults: one line per service, then one per key of other sections. */
export function previewLines(
  { services, keysAtOnce, keysForNextStart }: ReloadPreview,
): string[] {
  const width = Math.max(0, ...services.map(({ name }) => name.length));
  return [
    ...services.map((service) => `${service.name.padEnd(width)}  ${effects(service).join("; ")}`),
    ...keysAtOnce.map((key) => `${key} changes at once`),
    ...keysForNextStart.map((key) => `${key} changes only when the daemon is started again`),
  ];
}

function effects({ action, keys, waits, tokens, closes }: ServicePreview): string[] {
  return [
    outcome(action, keys),
    ...waits ? ["waits for the work in progress, if it is long"] : [],
    ...tokenChange("new", tokens.added),
    ...tokenChange("changed", tokens.changed),
    ...tokenChange("removed", tokens.removed),
    ...closes > 0 ? [`closes ${closes} connection${closes === 1 ? "" : "s"}`] : [],
  ];
}

function outcome(action: ServicePreview["action"], keys: readonly string[]): string {
  const list = keys.join(", ");
  switch (action) {
    case "keep":
      return "keeps running";
    case "adjust":
      return `keeps running, with a new value of ${list}`;
    case "restart":
      return list === "" ? "restarts" : `restarts because of ${list}`;
    case "start":
      return "starts";
    case "stop":
      return "stops";
    case "off":
      return "stays off";
  }
}

function tokenChange(how: string, tokens: readonly string[]): string[] {
  if (tokens.length === 0) return [];
  return [`${how} token${tokens.length === 1 ? "" : "s"} ${tokens.join(", ")}`];
}
