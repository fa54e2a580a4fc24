import * as v from "valibot";
import { SERVICE_KEYS, TLS_KEYS } from "../config/service_keys.ts";
import { address, choice, count, duration, size, text } from "../config/values.ts";
import {
  DEFAULT_DIAL_TIMEOUT,
  DEFAULT_MAX_LINE,
  DEFAULT_MEMORY,
  DEFAULT_STALL_TIMEOUT,
  MAX_TIMEOUT_MS,
  MIN_TIMEOUT_MS,
} from "./defaults.ts";
import { MAX_LINE_BYTES, MAX_LINE_PART } from "./records/record_format.ts";
import { MAX_MEMORY_BYTES, MIN_MEMORY_BYTES } from "./sort/slot_budget.ts";
import { MAX_NODES } from "./sort/splitters.ts";

/** Limits of both timeouts of a job. */
const TIMEOUT = { min: MIN_TIMEOUT_MS, max: MAX_TIMEOUT_MS };

const meshSchema = v.strictObject({
  ...SERVICE_KEYS,
  /** Applies to the links between nodes too; `ca` has the issuers of their certificates. */
  tls: v.optional(v.strictObject({ ...TLS_KEYS, ca: v.optional(text()) })),
  /** The nodes must reach each other directly. */
  proxy_protocol: v.optional(
    v.pipe(v.array(v.string()), v.maxLength(0, "an empty list: mesh takes no PROXY headers")),
    [],
  ),
  listen: v.optional(address(), "127.0.0.1:8083"),
  node: v.optional(count({ max: MAX_NODES - 1 }), 0),
  nodes: v.optional(
    v.pipe(v.array(address()), v.maxLength(MAX_NODES, `at most ${MAX_NODES} addresses`)),
    [],
  ),
  dir: v.optional(text(), "sort"),
  partition: v.optional(choice(["sample", "bits"]), "sample"),
  memory: v.optional(size({ min: MIN_MEMORY_BYTES, max: MAX_MEMORY_BYTES }), DEFAULT_MEMORY),
  max_line: v.optional(size({ min: 1, max: MAX_LINE_BYTES }), DEFAULT_MAX_LINE),
  dial_timeout: v.optional(duration(TIMEOUT), DEFAULT_DIAL_TIMEOUT),
  stall_timeout: v.optional(duration(TIMEOUT), DEFAULT_STALL_TIMEOUT),
  max_queue: v.optional(count({ min: 1, max: 10_000 }), 16),
  max_clients: v.optional(count({ min: 1, max: 1_000_000 }), 1000),
  idle_timeout: v.optional(duration({ min: 1, off: true }), "off"),
});

/** The schema of the section `[mesh]`; config.toml explains each key. */
export const meshConfigSchema = v.pipe(
  meshSchema,
  v.forward(
    v.check(
      ({ node, nodes }) => node < Math.max(1, nodes.length),
      "the number of one of the nodes, the first of which is 0",
    ),
    ["node"],
  ),
  v.forward(
    v.check(
      ({ partition, nodes }) => partition !== "bits" || (nodes.length & (nodes.length - 1)) === 0,
      '"sample", unless the number of nodes is a power of two',
    ),
    ["partition"],
  ),
  v.forward(
    v.check(
      ({ memory, max_line }) => max_line <= memory * MAX_LINE_PART,
      "at most an eighth of memory",
    ),
    ["max_line"],
  ),
  v.forward(
    v.check(
      ({ tls, nodes }) => !tls || nodes.every(({ transport }) => transport === "tcp"),
      "nothing, as nodes on unix sockets do not speak TLS",
    ),
    ["tls"],
  ),
);

/** The section `[mesh]` after validation. Times are in milliseconds, sizes in bytes. */
export type MeshConfig = v.InferOutput<typeof meshConfigSchema>;
