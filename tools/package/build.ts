import type { Platform } from "./binary.ts";

/** A package to be built. */
export interface Build {
  /** The root of the sources. */
  root: URL;
  /** The executable. */
  binary: string;
  platform: Platform;
  /** The version of quartet. */
  version: string;
  /** The time of all files, and the date of the manual pages. */
  date: Date;
  /** The directory to write the package to. */
  output: string;
}
