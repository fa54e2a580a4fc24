/**
 * The section `[auth]`: which tokens open which services. A service that at least one token opens
 * requires a token from every client; any other service requires none.
 *
 * @module
 */

import * as v from "valibot";
import { FailureCounter, Guard, isToken, TOKEN_FORM, tokenDigest } from "../auth.ts";
import type { KnownToken } from "../net/login.ts";
import type { Rights } from "../rights.ts";
import type { Fault } from "./fault.ts";
import type { RightsSchema } from "./rights.ts";
import { type Secret, SECRET_KEYS, type SecretSources, secretValue } from "./secrets.ts";
import { choice, count, duration, exactlyOneOf, oneForm, text } from "./values.ts";

/** A service whose nodes prove to each other that they know a token. A hash is no proof of that. */
const PROVING_SERVICE = "mesh";

/** What gives a token all rights at a service, as an entry of `services`. */
const EVERYTHING = "all";

/** What happens to the connections of a token that is removed or changed. */
const ON_REVOKE = ["close", "keep"] as const;

/** The hash of a token, as the file spells it. */
const HASH = /^sha256:[0-9a-f]{64}$/;

/** A service that a token can open. */
export interface OpenableService {
  readonly name: string;
  /** The schema of limited rights. */
  readonly rights: RightsSchema;
}

/** The rights of a token by service; `null` for everything. */
export type RightsByService = ReadonlyMap<string, Rights | null>;

/**
 * The schema of the section `[auth]`.
 *
 * @param services The services that a token can open.
 */
export function authSchema(services: readonly OpenableService[]) {
  const name = text({ pattern: /^[\w-]{1,64}$/, allowed: "a name of letters, digits, - and _" });
  const token = v.pipe(
    v.strictObject({
      ...SECRET_KEYS,
      hash: v.optional(text({
        pattern: HASH,
        allowed: '"sha256:" and 64 hexadecimal digits in lower case',
      })),
      services: servicesSchema(services),
    }),
    v.metadata(exactlyOneOf(...Object.keys(SECRET_KEYS), "hash")),
  );
  return v.strictObject({
    max_failures: v.optional(count({ min: 1, max: 1000 }), 10),
    failure_window: v.optional(duration({ min: 1000, max: 86_400_000 }), "1m"),
    login_timeout: v.optional(duration({ min: 100, max: 600_000 }), "10s"),
    on_revoke: v.optional(choice(ON_REVOKE), "close"),
    tokens: v.optional(v.record(name, token), {}),
  });
}

/** A list of services, which the token may use without limits, or a table with its rights at each. */
function servicesSchema(
  services: readonly OpenableService[],
): v.GenericSchema<unknown, RightsByService> {
  const list = v.pipe(
    v.array(choice(services.map(({ name }) => name)), "a list of services, or a table"),
    v.minLength(1, "a list of at least one service"),
    v.transform((names): RightsByService => new Map(names.map((name) => [name, null]))),
  );
  const everything = v.pipe(choice([EVERYTHING]), v.transform(() => null));
  const entries = Object.fromEntries(services.map(({ name, rights }) => {
    const forms = [rights, everything] as v.GenericSchema<unknown, Rights | null>[];
    return [name, v.optional(oneForm(forms, (value) => forms[value === EVERYTHING ? 1 : 0]!))];
  }));
  const table = v.pipe(
    v.strictObject(entries),
    v.minEntries(1, "a table with at least one service"),
    v.transform((given): RightsByService => new Map(Object.entries(given) as [string, Rights][])),
  );
  const isTable = (value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  return oneForm([list, table], (value) => isTable(value) ? table : list);
}

/** The section `[auth]` after parsing; times are in milliseconds. */
export type AuthConfig = v.InferOutput<ReturnType<typeof authSchema>>;

/** A token of the section `[auth]` after parsing. */
type TokenConfig = AuthConfig["tokens"][string];

/**
 * Creates a guard for each service that a token opens.
 *
 * @param config The section `[auth]`.
 * @param sources Where token values come from.
 * @param report Told of each token whose value is missing, malformed or of no use; never told a value.
 * @returns The guard of a service, if any token opens it.
 */
export function createGuards(
  config: AuthConfig,
  sources: SecretSources,
  report: (fault: Fault) => void,
): (service: string) => Guard | undefined {
  const byService = new Map<string, KnownToken[]>();
  const hashed: { name: string; digest: Uint8Array }[] = [];
  for (const [name, token] of Object.entries(config.tokens)) {
    const path = ["auth", "tokens", name];
    try {
      const digest = digestOf(token, sources);
      if (token.hash !== undefined) hashed.push({ name, digest });
      for (const [service, rights] of token.services) {
        const tokens = byService.get(service) ?? [];
        const same = tokens.find((other) => isSame(other.digest, digest));
        if (same !== undefined) throw new Error(`has the same value as "${same.name}"`);
        byService.set(service, [...tokens, { name, digest, rights }]);
      }
    } catch (error) {
      report({ path, message: (error as Error).message });
    }
  }
  for (const { name, digest } of hashed) {
    const same = byService.get(PROVING_SERVICE)?.find((other) => isSame(other.digest, digest));
    if (same === undefined) continue;
    // Proofs are made with the hash, so a reader of the file could pose as a node.
    const message =
      `is the hash of "${same.name}", which opens ${PROVING_SERVICE}: use another one`;
    report({ path: ["auth", "tokens", name, "hash"], message });
  }
  const guards = new Map<string, Guard>();
  for (const [service, tokens] of byService) {
    const failures = new FailureCounter(config.max_failures, config.failure_window);
    guards.set(service, new Guard(tokens, failures, config.login_timeout));
  }
  return (service) => guards.get(service);
}

/**
 * The SHA-256 of a token.
 *
 * @throws {Error} If the token has no value or a malformed one, or it is not enough for a service.
 */
function digestOf(token: TokenConfig, sources: SecretSources): Uint8Array {
  const { file, env, hash } = token;
  if ([file, env, hash].filter((source) => source !== undefined).length !== 1) {
    throw new Error("needs exactly one of file, env and hash");
  }
  if (hash === undefined) return tokenDigest(tokenValue(token, sources));
  if (token.services.has(PROVING_SERVICE)) {
    throw new Error(
      `a hash cannot open ${PROVING_SERVICE}, whose nodes prove that they know the token itself: ` +
        "use file or env",
    );
  }
  return Uint8Array.fromHex(hash.slice("sha256:".length));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}

function tokenValue(secret: Secret, sources: SecretSources): string {
  const token = secretValue(secret, sources);
  if (!isToken(token)) throw new Error(`its value needs ${TOKEN_FORM}`);
  return token;
}
