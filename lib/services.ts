/**
 * The table of services. A new service is a folder beside `echo/` and a line here.
 *
 * @module
 */

import { echo } from "./echo/mod.ts";
import { kv } from "./kv/mod.ts";
import { mesh } from "./mesh/mod.ts";
import { task } from "./task/mod.ts";
import { admin } from "./admin/mod.ts";
import type { Service } from "./service.ts";

/** All services, in start order, except that those with `observes` start first. */
// deno-lint-ignore no-explicit-any -- each service has a configuration of its own type
export const SERVICES: readonly Service<any>[] = [echo, kv, task, mesh, admin];
