import type { KeyPath } from "./walk.ts";

/** Something wrong with a configuration. */
export interface Fault {
  /** The key at fault. */
  path: KeyPath;
  /** Another key involved, reported instead if the file does not set the first. */
  otherPath?: KeyPath;
  /** What is wrong and what would be right, in one line. */
  message: string;
}
