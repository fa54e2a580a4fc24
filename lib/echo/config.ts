import * as v from "valibot";
import { ON_FULL } from "../bus/reader.ts";
import { reservedFor } from "../bus/reserved.ts";
import { isSubject } from "../bus/subject.ts";
import { SERVICE_KEYS } from "../config/service_keys.ts";
import { address, checkedText, choice, count, duration, size, text } from "../config/values.ts";

/** The maximum number of ports besides `listen`. */
const MAX_ROOMS = 1000;

const MIB = 1024 * 1024;

/** How many origins can be listed. */
const MAX_ORIGINS = 100;

/** A subject that clients may publish on. */
function subject() {
  const allowed = 'a subject: tokens separated by dots, without blanks or wildcards, not "task.…"';
  return checkedText(
    /^[^\s.]+(\.[^\s.]+)*$/,
    (text) => isSubject(text) && reservedFor(text) === undefined,
    allowed,
  );
}

/** A page that may connect to the WebSocket port, besides those of the port's own host. */
function origin() {
  const allowed = 'an origin such as "https://chat.example", without a path; or "*"';
  return checkedText(
    /^(\*|https?:\/\/[^/]+)$/,
    (text) => text === "*" || URL.parse(text)?.origin === text,
    allowed,
  );
}

function origins() {
  const allowed = `at most ${MAX_ORIGINS} origins`;
  return v.pipe(v.array(origin(), "a list of origins"), v.maxLength(MAX_ORIGINS, allowed));
}

/** The schema of section `[echo]`; config.toml explains each key. */
export const echoConfigSchema = v.strictObject({
  ...SERVICE_KEYS,
  listen: v.optional(address(), "127.0.0.1:8080"),
  mode: v.optional(choice(["broadcast", "confirm"]), "broadcast"),
  subject: v.optional(subject(), "echo"),
  room: v.optional(
    v.pipe(
      v.array(v.strictObject({ listen: address(), subject: subject() }), "a list of rooms"),
      v.maxLength(MAX_ROOMS, `at most ${MAX_ROOMS} rooms`),
    ),
    [],
  ),
  history: v.optional(count({ max: 100_000 }), 0),
  nats: v.optional(address()),
  max_payload: v.optional(size({ min: 1, max: 64 * MIB }), "1MiB"),
  handshake_first: v.optional(duration({ min: 1, max: 10_000, off: true }), "50ms"),
  websocket: v.optional(address()),
  origins: v.optional(origins(), []),
  ping_interval: v.optional(duration({ min: 10, max: 3_600_000, off: true }), "30s"),
  max_clients: v.optional(count({ min: 1, max: 1_000_000 }), 10_000),
  max_line: v.optional(size({ min: 1, max: 64 * MIB }), "64KiB"),
  idle_timeout: v.optional(duration({ min: 1, off: true }), "off"),
  queue: v.optional(count({ min: 1, max: 1_000_000 }), 100),
  queue_bytes: v.optional(size({ min: 1024, max: 1024 * MIB }), "8MiB"),
  slow_after: v.optional(duration({ min: 1, max: 60_000 }), "100ms"),
  on_full: v.optional(choice(ON_FULL), "drop"),
  reply: v.optional(text(), "Message received."),
});

/** The parsed section `[echo]`. Times are in milliseconds, sizes in bytes. */
export type EchoConfig = v.InferOutput<typeof echoConfigSchema>;

/** The limits of NATS clients. */
export interface NatsLimits {
  /** The largest message, headers included. */
  maxPayloadBytes: number;
  /** How long a client may be silent until it is sent a PING; 0 for ever. */
  pingIntervalMs: number;
}

/** The limits of NATS clients that a section sets. */
export function natsLimits(config: EchoConfig): NatsLimits {
  return { maxPayloadBytes: config.max_payload, pingIntervalMs: config.ping_interval };
}
