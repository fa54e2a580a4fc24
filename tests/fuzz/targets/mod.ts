import type { FuzzTarget } from "../target.ts";
import { backupTargets } from "./backup.ts";
import { beanstalkTarget } from "./beanstalk.ts";
import { configTargets } from "./config.ts";
import { frameTargets } from "./frames.ts";
import { lineTargets } from "./lines.ts";
import { natsTarget } from "./nats.ts";
import { proxyTarget } from "./proxy.ts";
import { redisTargets } from "./redis.ts";
import { sortInputTargets } from "./sort_input.ts";
import { websocketTargets } from "./websocket.ts";

/** Everything that takes bytes from outside and can be run by itself. */
export const TARGETS: readonly FuzzTarget[] = [
  natsTarget,
  ...websocketTargets,
  proxyTarget,
  ...redisTargets,
  beanstalkTarget,
  ...lineTargets,
  ...frameTargets,
  ...configTargets,
  ...backupTargets,
  ...sortInputTargets,
];
