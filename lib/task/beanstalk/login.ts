import type { Connection } from "../../net/connection.ts";
import type { Login } from "../../net/login.ts";
import type { ReadBuffer } from "../../net/read_buffer.ts";

/** The longest login line: "auth ", the longest token, and CRLF. */
const MAX_LINE_BYTES = 5 + 1024 + 2;

const LF = 0x0a;
const encoder = new TextEncoder();

/** The replies to a login, by the verdict on the token. */
const REPLIES = {
  right: encoder.encode("AUTHENTICATED\r\n"),
  wrong: encoder.encode("WRONG_TOKEN\r\n"),
  blocked: encoder.encode("TOO_MANY_FAILURES\r\n"),
  missing: encoder.encode("TOKEN_EXPECTED\r\n"),
};

/**
 * Logs a client in. Its first command must be `auth <token>`, with a token that the service accepts.
 * Replies in either case.
 *
 * @param input The buffer for the client's bytes; what follows the command stays in it.
 * @returns Whether the client may go on; if not, close the connection.
 */
export async function loginByCommand(
  connection: Connection,
  input: ReadBuffer,
  login: Login,
): Promise<boolean> {
  let length: number;
  while ((length = input.bytes.subarray(input.start, input.end).indexOf(LF)) === -1) {
    if (input.end - input.start > MAX_LINE_BYTES || !await input.fill(connection)) break;
  }
  const end = length === -1 ? input.end : input.start + length + 1;
  const line = new TextDecoder().decode(input.bytes.subarray(input.start, end));
  input.consume(end - input.start);
  const token = /^auth ([\x21-\x7e]+)\r?\n$/.exec(line)?.[1];
  const verdict = token === undefined ? "missing" : await login.showInTurn(token);
  await connection.write(REPLIES[verdict]);
  return verdict === "right";
}
