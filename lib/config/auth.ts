/**
 * The section `[auth]`: which tokens open which services. A service that at least one token opens
 * requires a token from every client; any other service requires none.
 *
 * @module
 */

import * as v from "valibot";
import { FailureCounter, Guard, isToken, TOKEN_FORM } from "../auth.ts";
import type { Fault } from "./fault.ts";
import { type Secret, SECRET_KEYS, type SecretSources, secretValue } from "./secrets.ts";
import { choice, count, duration, text } from "./values.ts";

/**
 * The schema of the section `[auth]`.
 *
 * @param services The names that a token can open.
 */
export function authSchema(services: readonly string[]) {
  const name = text({ pattern: /^[\w-]{1,64}$/, allowed: "a name of letters, digits, - and _" });
  const token = v.strictObject({
    ...SECRET_KEYS,
    services: v.pipe(
      v.array(choice(services), "a list of services"),
      v.minLength(1, "a list of at least one service"),
    ),
  });
  return v.strictObject({
    max_failures: v.optional(count({ min: 1, max: 1000 }), 10),
    failure_window: v.optional(duration({ min: 1000, max: 86_400_000 }), "1m"),
    login_timeout: v.optional(duration({ min: 100, max: 600_000 }), "10s"),
    tokens: v.optional(v.record(name, token), {}),
  });
}

/** The section `[auth]` after parsing; times are in milliseconds. */
export type AuthConfig = v.InferOutput<ReturnType<typeof authSchema>>;

/**
 * Creates a guard for each service that a token opens.
 *
 * @param config The section `[auth]`.
 * @param sources Where token values come from.
 * @param report Told of each token whose value is missing or malformed; never told a value.
 * @returns The guard of a service, if any token opens it.
 */
export function createGuards(
  config: AuthConfig,
  sources: SecretSources,
  report: (fault: Fault) => void,
): (service: string) => Guard | undefined {
  const byService = new Map<string, string[]>();
  for (const [name, token] of Object.entries(config.tokens)) {
    const path = ["auth", "tokens", name];
    try {
      const value = tokenValue(token, sources);
      for (const service of token.services) {
        byService.set(service, [...byService.get(service) ?? [], value]);
      }
    } catch (error) {
      report({ path, message: (error as Error).message });
    }
  }
  const guards = new Map<string, Guard>();
  for (const [service, tokens] of byService) {
    const failures = new FailureCounter(config.max_failures, config.failure_window);
    guards.set(service, new Guard(tokens, failures, config.login_timeout));
  }
  return (service) => guards.get(service);
}

function tokenValue(secret: Secret, sources: SecretSources): string {
  const token = secretValue(secret, sources);
  if (!isToken(token)) throw new Error(`its value needs ${TOKEN_FORM}`);
  return token;
}
