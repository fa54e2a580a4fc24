import { ACL_COMMANDS } from "./acl.ts";
import { BITFIELD_COMMANDS } from "./bitfield.ts";
import { BITOP_COMMANDS } from "./bitop.ts";
import { BIT_COMMANDS } from "./bits.ts";
import { CHANNEL_COMMANDS } from "./channels.ts";
import { CLIENT_COMMANDS } from "./client.ts";
import type { Command } from "./command.ts";
import { CONNECTION_COMMANDS } from "./connection.ts";
import { COUNTER_COMMANDS } from "./counters.ts";
import { EXPIRY_COMMANDS } from "./expiry.ts";
import { INTROSPECTION_COMMANDS } from "./introspection.ts";
import { KEY_COMMANDS } from "./keys.ts";
import { LATENCY_COMMANDS } from "./latency.ts";
import { MEMORY_COMMANDS } from "./memory.ts";
import { OBJECT_COMMANDS } from "./object.ts";
import { PERSISTENCE_COMMANDS } from "./persistence.ts";
import { RANGE_COMMANDS } from "./ranges.ts";
import { SCAN_COMMANDS } from "./scan.ts";
import { SERVER_COMMANDS } from "./server.ts";
import { STRING_COMMANDS } from "./strings.ts";
import { TOPOLOGY_COMMANDS } from "./topology.ts";
import { TRANSACTION_COMMANDS } from "./transactions.ts";
import { WATCHING_COMMANDS } from "./watching.ts";

/** All commands of the Redis protocol. */
export const ALL_COMMANDS: readonly Command[] = [
  ...STRING_COMMANDS,
  ...COUNTER_COMMANDS,
  ...RANGE_COMMANDS,
  ...BIT_COMMANDS,
  ...BITOP_COMMANDS,
  ...BITFIELD_COMMANDS,
  ...KEY_COMMANDS,
  ...OBJECT_COMMANDS,
  ...EXPIRY_COMMANDS,
  ...SCAN_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...CLIENT_COMMANDS,
  ...CHANNEL_COMMANDS,
  ...SERVER_COMMANDS,
  ...WATCHING_COMMANDS,
  ...INTROSPECTION_COMMANDS,
  ...ACL_COMMANDS,
  ...LATENCY_COMMANDS,
  ...MEMORY_COMMANDS,
  ...PERSISTENCE_COMMANDS,
  ...TOPOLOGY_COMMANDS,
];
