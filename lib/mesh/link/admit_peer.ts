import type { Connection } from "../../net/connection.ts";
import type { ReadBuffer } from "../../net/read_buffer.ts";
import { HELLO, type Hello, parseHello } from "./hello.ts";
import type { Meeting } from "./meeting.ts";

/**
 * Lets a caller in that has said hello, and stays until its link has ended.
 *
 * @param line The first line of the connection; it begins with {@linkcode HELLO.PEER}.
 * @param buffer What was read behind it.
 * @param find The meeting that the caller is for, or why there is none now.
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
