/**
 * TLS clients that resume sessions, which Deno's own client does not.
 *
 * @module
 */

import { createServer } from "node:tls";
import type { makeCertificates } from "./certificates.ts";
import { runProgram } from "./programs.ts";

/** Starts a TLS server in this process that greets every client. */
export async function serveAnybody({ server }: Awaited<ReturnType<typeof makeCertificates>>) {
  const cert = await Deno.readTextFile(server.cert);
  const key = await Deno.readTextFile(server.key);
  const open = createServer({ cert, key }, (socket) => socket.end("hello\n"));
  await new Promise<void>((resolve) => open.listen(0, "127.0.0.1", () => resolve()));
  const { port } = open.address() as { port: number };
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => open.close(() => resolve())),
  };
}

/**
 * Runs `openssl s_client` until the server disconnects it.
 *
 * @param words Further arguments.
 * @returns Whether it resumed a session, and whether it received the greeting.
 */
export async function opensslTalk(
  port: number,
  words: string[],
): Promise<{ resumed: boolean; answered: boolean }> {
  const place = ["-connect", `127.0.0.1:${port}`, "-ign_eof"];
  const { text } = (await runProgram("openssl", ["s_client", ...place, ...words]))!;
  return { resumed: /^Reused, /m.test(text), answered: /hello$/m.test(text) };
}
