import { rightsList } from "../config/rights.ts";
import type { MeshCommand } from "./node/console.ts";

/** A right that a token can have at mesh. */
export type MeshRight = "submit" | "status";

/** The schema of the rights: to submit jobs, and to see their status. */
export const meshRights = rightsList(["submit", "status"]);

/** The right that each command needs; `undefined` for none. */
export const CONSOLE_RIGHTS: Readonly<Record<MeshCommand["word"], MeshRight | undefined>> = {
  SORT: "submit",
  COUNT: "submit",
  CANCEL: "submit",
  RETRY: "submit",
  STATUS: "status",
  HISTORY: "status",
  NODES: "status",
  HELP: undefined,
  QUIT: undefined,
};
