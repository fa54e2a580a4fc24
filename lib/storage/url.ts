/**
 * Storage URLs, which say where a service keeps its data.
 *
 * @module
 */

import { resolve } from "node:path";

/** What a storage URL looks like; one of PostgreSQL may still be malformed. */
export const STORAGE_URL = /^(memory:$|sqlite:.|postgres(ql)?:\/\/)/;

/** A storage URL in parts. */
export type StorageUrl =
  | { kind: "memory" }
  | { kind: "sqlite"; path: string }
  | { kind: "postgres"; url: string };

/**
 * Parses a storage URL.
 *
 * @param text `memory:`, `sqlite:FILE`, or `postgres://user:password@host:port/database`.
 * @param dataDir The directory that a relative FILE starts from.
 * @throws {SyntaxError} If it is none of these. The message never contains the password.
 */
export function parseStorageUrl(text: string, dataDir: string): StorageUrl {
  if (text === "memory:") return { kind: "memory" };
  if (text.startsWith("sqlite:")) {
    const file = text.slice("sqlite:".length);
    if (file !== "" && !file.includes("\0")) {
      return { kind: "sqlite", path: resolve(dataDir, file) };
    }
  }
  if (/^postgres(ql)?:\/\//.test(text)) {
    if (!isPostgresUrl(text)) {
      throw new SyntaxError(`Cannot read "${redactUrl(text)}" as a storage URL: it is malformed`);
    }
    return { kind: "postgres", url: text };
  }
  throw new SyntaxError(
    `Cannot read "${redactUrl(text)}" as a storage URL: it must be "memory:", "sqlite:FILE" or ` +
      `"postgres://user@host:port/database"`,
  );
}

/** Whether a text is a storage URL. */
export function isStorageUrl(text: string): boolean {
  try {
    parseStorageUrl(text, "");
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** Whether the driver can parse it: a URL with valid percent escapes. */
function isPostgresUrl(text: string): boolean {
  try {
    const { username, password, pathname } = new URL(text);
    for (const part of [username, password, pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

/** A deep copy of a value in which no URL has a password. */
export function redacted<T>(value: T): T {
  const hide = (_: string, part: unknown) =>
    typeof part === "string" && part.includes("://") ? redactUrl(part) : part;
  return JSON.parse(JSON.stringify(value), hide);
}

/** A URL without its password, for logs and messages. */
export function redactUrl(text: string): string {
  return text.replace(/:\/\/.*@/s, (credentials) => {
    const user = credentials.slice(3, -1).split(":", 1)[0]!;
    return `://${user}@`;
  }).replace(/([?&]password=)[^&]*/gi, "$1***");
}
