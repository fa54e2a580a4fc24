import type { Connection } from "../../net/connection.ts";
import type { ReadBuffer } from "../../net/read_buffer.ts";
import { HELLO, type Hello, parseHello } from "./hello.ts";
import type { Meeting } from "./meeting.ts";

/**
 * Passes a calling peer to the meeting of its job; resolves when the link has ended.
 *
 * @param line The first line of the connection; it begins with {@linkcode HELLO.PEER}.
 * @param buffer What was read after the line.
 * @param find Returns the meeting for a hello, or the reason why there is none yet.
 */
export async function admitPeer(
  { connection, line, buffer }: { connection: Connection; line: string; buffer: ReadBuffer },
  find: (hello: Hello) => Meeting | string,
): Promise<void> {
  const hello = parseHello(line.slice(HELLO.PEER.length));
  if (!hello) return await answer(connection, HELLO.ERR, "the hello cannot be read");
  const meeting = find(hello);
  if (typeof meeting === "string") return await answer(connection, HELLO.LATER, meeting);
  await meeting.admit(connection, hello, buffer);
}

async function answer(connection: Connection, word: string, reason: string): Promise<void> {
  await connection.write(new TextEncoder().encode(`${word}${reason}\n`));
}
