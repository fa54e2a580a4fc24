import * as v from "valibot";
import type { Service, ServiceConfig } from "../service.ts";

/** The echo service. */
export const echo: Service<ServiceConfig> = {
  name: "echo",
  schema: v.object({ enabled: v.boolean() }),
  addresses: () => [],
  start: () => Promise.reject(new Error("Cannot start echo")),
};
