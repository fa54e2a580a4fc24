/**
 * Clients that go on with sessions of TLS, which Deno's own do not.
 *
 * @module
 */

import { createServer } from "node:tls";
import type { makeCertificates } from "./certificates.ts";
import { runProgram } from "./programs.ts";

/** A server in this process that says hello to anybody, over TLS. */
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
 * Has `openssl s_client` connect and read until it is disconnected.
 *
 * @param words More of its command line.
 * @returns Whether it went on with a session, and whether it was told hello.
 */
export async function opensslTalk(
  port: number,
  words: string[],
): Promise<{ resumed: boolean; answered: boolean }> {
  const place = ["-connect", `127.0.0.1:${port}`, "-ign_eof"];
  const { text } = (await runProgram("openssl", ["s_client", ...place, ...words]))!;
  return { resumed: /^Reused, /m.test(text), answered: /hello$/m.test(text) };
}
