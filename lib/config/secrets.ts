import * as v from "valibot";
import { fileErrorReason } from "../file_error.ts";
import { text } from "./values.ts";

/** The keys of a secret, which is never in the configuration itself. */
export const SECRET_KEYS = { file: v.optional(text()), env: v.optional(text()) } as const;

/** Where the value of a secret comes from: exactly one of the two. */
export interface Secret {
  file?: string | undefined;
  env?: string | undefined;
}

/** What secrets are read from. */
export interface SecretSources {
  /** Looks up an environment variable. */
  env: (name: string) => string | undefined;
  /** Reads a text file; throws if it cannot. */
  readFile: (file: string) => string;
}

/**
 * Reads a secret. A line end at its end does not belong to it.
 *
 * @throws {Error} If it has no value; the message says why.
 */
export function secretValue({ file, env }: Secret, sources: SecretSources): string {
  if ((file === undefined) === (env === undefined)) {
    throw new Error("needs either file or env, and not both");
  }
  const value = env === undefined ? readSecretFile(file!, sources) : sources.env(env);
  if (value === undefined) throw new Error(`the environment variable ${env} is not set`);
  return value.replace(/\r?\n$/, "");
}

function readSecretFile(file: string, { readFile }: SecretSources): string {
  try {
    return readFile(file);
  } catch (cause) {
    throw new Error(`cannot read "${file}": ${fileErrorReason(cause)}`, { cause });
  }
}
