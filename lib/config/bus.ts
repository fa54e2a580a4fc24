/**
 * The section `[bus]`: the NATS servers that connect the buses of several daemons.
 *
 * @module
 */

import * as v from "valibot";
import type { Fault } from "./fault.ts";
import { SECRET_KEYS, type SecretSources, secretValue } from "./secrets.ts";
import {
  checkedText,
  choice,
  duration,
  exactlyOneOf,
  flag,
  keysThatNeed,
  size,
  text,
} from "./values.ts";

/** The port of a NATS server, if its URL has none. */
const NATS_PORT = 4222;

const URL_FORM = 'a URL such as "nats://host:4222" or "tls://host:4222", or a list of them; ' +
  "token, user and password have keys of their own";

const url = checkedText(
  /^(nats|tls):\/\/[^/@?#\s]+\/?$/,
  (text) => URL.canParse(text.replace(/^\w+:/, "http:")),
  URL_FORM,
);

const secret = v.pipe(
  v.strictObject(SECRET_KEYS),
  v.metadata(exactlyOneOf(...Object.keys(SECRET_KEYS))),
);

const tls = v.pipe(
  v.strictObject({
    ca: v.optional(text()),
    cert: v.optional(text()),
    key: v.optional(text()),
  }),
  v.metadata(keysThatNeed({ cert: ["key"], key: ["cert"] })),
);

/** The schema of the section `[bus]`; config.toml explains each key. */
export const busSchema = v.pipe(
  v.strictObject({
    url: v.optional(v.union([url, v.pipe(v.array(url), v.minLength(1, URL_FORM))], URL_FORM)),
    token: v.optional(secret),
    user: v.optional(text()),
    password: v.optional(secret),
    tls: v.optional(tls),
    bus_timeout: v.optional(duration({ min: 10, max: 600_000 }), "2s"),
    events: v.optional(flag(), false),
    order: v.optional(choice(["sender", "one"]), "sender"),
    max_bytes: v.optional(size({ min: 1024 * 1024 }), "64MiB"),
  }),
  v.metadata(keysThatNeed({ password: ["user"] })),
);

/** The section `[bus]` after parsing. */
export type BusSection = v.InferOutput<typeof busSchema>;

/** How to reach the NATS servers that connect daemons. */
export interface BusConfig {
  /** "host:port" of each server; empty if the bus is not connected with others. */
  servers: readonly string[];
  token?: string;
  user?: string;
  password?: string;
  /** The files for TLS; without it the connection is plain. */
  tls?: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined };
  /** How long a publisher waits until its messages have got through. */
  timeoutMs: number;
  /** Whether the daemon's own events cross the link. */
  events: boolean;
  /** The size of the stream that keeps one order of all messages, if there is to be one. */
  streamMaxBytes?: number;
}

/**
 * Reads the secrets of the section.
 *
 * @param section The section `[bus]`.
 * @param sources Where secrets come from.
 * @param report Told what is wrong with the section; never told a secret.
 */
export function busConfig(
  section: BusSection,
  sources: SecretSources,
  report: (fault: Fault) => void,
): BusConfig {
  const read = (key: "token" | "password") => {
    const secret = section[key];
    if (secret === undefined) return {};
    try {
      return { [key]: secretValue(secret, sources) };
    } catch (error) {
      report({ path: ["bus", key], message: (error as Error).message });
      return {};
    }
  };
  const urls = [section.url ?? []].flat();
  const { user, tls } = section;
  if (section.password !== undefined && user === undefined) {
    report({ path: ["bus", "password"], message: "needs a user" });
  }
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
    report({ path: ["bus", "tls"], message: "needs both cert and key, or neither" });
  }
  const secure = tls ?? (urls.some((url) => url.startsWith("tls:")) ? {} : undefined);
  return {
    servers: urls.map(serverOf),
    ...read("token"),
    ...(user === undefined ? {} : { user }),
    ...read("password"),
    ...(secure === undefined ? {} : { tls: secure }),
    timeoutMs: section.bus_timeout,
    events: section.events,
    ...(section.order === "one" ? { streamMaxBytes: section.max_bytes } : {}),
  };
}

/** The files that the section names, apart from certificates. */
export function busSecretFiles({ token, password }: BusSection): string[] {
  return [token?.file, password?.file].filter((file) => file !== undefined);
}

function serverOf(url: string): string {
  // The scheme matters to the parser: it drops port 80 from http URLs.
  const { hostname, port } = new URL(url.replace(/^\w+:/, "ws:"));
  return `${hostname}:${port || (/:80\/?$/.test(url) ? 80 : NATS_PORT)}`;
}
