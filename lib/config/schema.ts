import * as v from "valibot";
import type { Guard } from "../auth.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../log.ts";
import type { Service, ServiceConfig } from "../service.ts";
import { type AuthConfig, authSchema } from "./auth.ts";
import { type BusConfig, busSchema } from "./bus.ts";
import { choice, duration, storageUrl, text } from "./values.ts";

const daemonSchema = v.strictObject({
  data_dir: v.optional(text(), "data"),
  drain_accept: v.optional(duration({ min: 0, max: 600_000 }), "0s"),
  drain_timeout: v.optional(duration({ min: 0, max: 3_600_000 }), "10s"),
});

const logSchema = v.strictObject({
  level: v.optional(choice(LOG_LEVELS), "info"),
  format: v.optional(choice(LOG_FORMATS), "text"),
});

const storageSchema = v.strictObject({
  url: v.optional(storageUrl(), "sqlite:quartet.db"),
});

/** A configuration that has passed all checks. */
export interface Config {
  daemon: v.InferOutput<typeof daemonSchema>;
  log: v.InferOutput<typeof logSchema>;
  storage: v.InferOutput<typeof storageSchema>;
  bus: BusConfig;
  /** The sections of the services, by name. */
  services: Record<string, ServiceConfig>;
  /** The guard that checks the tokens of a service's clients; `undefined` if it requires none. */
  guard: (service: string) => Guard | undefined;
  /** The section `[auth]`, except its tokens, which the guards hold. */
  auth: Omit<AuthConfig, "tokens">;
  /** The files that hold tokens and passwords. */
  tokenFiles: string[];
}

/**
 * Builds the schema of a whole file: one section for each part of the daemon and each service.
 *
 * @param services The services that can have a section.
 */
export function configSchema(
  services: readonly Service[],
): v.GenericSchema<unknown, Record<string, unknown>> {
  const sections: Record<string, v.GenericSchema> = {
    daemon: daemonSchema,
    log: logSchema,
    storage: storageSchema,
    bus: busSchema,
    auth: authSchema(services),
  };
  for (const service of services) sections[service.name] = service.schema;
  return v.strictObject(
    Object.fromEntries(
      Object.entries(sections).map(([name, schema]) => [name, v.optional(schema, {})]),
    ),
  );
}
