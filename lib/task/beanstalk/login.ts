import type { Connection } from "../../net/connection.ts";
import type { Login } from "../../net/login.ts";
import type { ReadBuffer } from "../../net/read_buffer.ts";

/** The longest line that shows a token: the word, the longest token, and the end of the line. */
const MAX_LINE_BYTES = 5 + 1024 + 2;

const LF = 0x0a;
const encoder = new TextEncoder();

/** What a client is told, by what came of its token. */
const REPLIES = {
  right: encoder.encode("AUTHENTICATED\r\n"),
  wrong: encoder.encode("WRONG_TOKEN\r\n"),
  blocked: encoder.encode("TOO_MANY_FAILURES\r\n"),
  missing: encoder.encode("TOKEN_EXPECTED\r\n"),
};

/**
 * Takes a client of the beanstalk door in: its first command must be `auth <token>`, with a token
 * that opens the service. Whoever has none is told so.
 *
 * @param input Where the client's bytes go; what follows the command stays there.
 * @returns Whether it may go on; if not, the connection is to be closed.
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
  const verdict = token === undefined ? "missing" : login.show(token);
  await connection.write(REPLIES[verdict]);
  return verdict === "right";
}
