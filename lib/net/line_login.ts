import type { Connection } from "./connection.ts";
import type { LineReader } from "./line_reader.ts";
import type { Login } from "./login.ts";

const encoder = new TextEncoder();

/** The reply to a login, by its outcome. */
export const LOGIN_REPLIES = {
  right: encoder.encode("OK\n"),
  wrong: encoder.encode("ERR wrong token\n"),
  blocked: encoder.encode("ERR too many failures, come back later\n"),
  missing: encoder.encode("ERR AUTH token expected first\n"),
} as const;

const LOGIN_WORD = encoder.encode("AUTH ");

/**
 * Logs in a client of a line protocol. Its first line must be `AUTH` and a token of the service; the
 * client is sent the outcome.
 *
 * @returns Whether the login succeeded. If not, the caller closes the connection.
 */
export async function loginByLine(
  connection: Connection,
  reader: LineReader,
  login: Login,
): Promise<boolean> {
  const line = await reader.readLine();
  if (line === null) return false;
  const shown = line !== undefined && startsWith(line, LOGIN_WORD)
    ? line.subarray(LOGIN_WORD.length)
    : undefined;
  const verdict = shown === undefined ? "missing" : await login.showInTurn(shown);
  await connection.write(LOGIN_REPLIES[verdict]);
  return verdict === "right";
}

function startsWith(line: Uint8Array, word: Uint8Array): boolean {
  return word.every((byte, i) => line[i] === byte || line[i] === (byte | 0x20));
}
