/**
 * The section `[auth]`: which tokens open which services. A service that any token opens asks every
 * client for one; a service that none opens asks nobody.
 *
 * @module
 */

import * as v from "valibot";
import { FailureCounter, Guard, isToken, TOKEN_FORM } from "../auth.ts";
import { choice, count, duration, text } from "./values.ts";

/**
 * The schema of the section `[auth]`.
 *
 * @param services The names that a token can open.
 */
export function authSchema(services: readonly string[]) {
  const name = text({ pattern: /^[\w-]{1,64}$/, allowed: "a name of letters, digits, - and _" });
  const token = v.strictObject({
    file: v.optional(text()),
    env: v.optional(text()),
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

/** The section `[auth]`, read. */
export type AuthConfig = v.InferOutput<ReturnType<typeof authSchema>>;

/** Where the values of tokens come from. */
export interface TokenSources {
  env: (name: string) => string | undefined;
  readFile: (file: string) => string;
}

/**
 * Makes the guards that a configuration asks for.
 *
 * @returns The guard of a service, if any token opens it.
 * @throws {Error} If the value of a token cannot be had; the message names the token, not its value.
 */
export function createGuards(
  config: AuthConfig,
  sources: TokenSources,
): (service: string) => Guard | undefined {
  const failures = new FailureCounter(config.max_failures, config.failure_window);
  const byService = new Map<string, string[]>();
  for (const [name, token] of Object.entries(config.tokens)) {
    const value = tokenValue(name, token, sources);
    for (const service of token.services) {
      byService.set(service, [...byService.get(service) ?? [], value]);
    }
  }
  const guards = new Map(
    [...byService].map((
      [service, tokens],
    ) => [service, new Guard(tokens, failures, config.login_timeout)]),
  );
  return (service) => guards.get(service);
}

function tokenValue(
  name: string,
  { file, env }: AuthConfig["tokens"][string],
  sources: TokenSources,
): string {
  const key = `auth.tokens.${name}`;
  if ((file === undefined) === (env === undefined)) {
    throw new Error(`${key}: needs either file or env, and not both`);
  }
  let value: string | undefined;
  if (env !== undefined) {
    value = sources.env(env);
    if (value === undefined) throw new Error(`${key}: the variable ${env} is not set`);
  } else {
    try {
      value = sources.readFile(file!);
    } catch (cause) {
      const reason = cause instanceof Deno.errors.NotFound ? "no such file" : String(cause);
      throw new Error(`${key}: cannot read "${file}": ${reason}`, { cause });
    }
  }
  value = value.replace(/\r?\n$/, "");
  if (!isToken(value)) throw new Error(`${key}: its value needs ${TOKEN_FORM}`);
  return value;
}
