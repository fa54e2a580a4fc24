/**
 * What the line protocol costs with a web stream a connection: the server that quartet is compared
 * with. It answers every line with the line that it was started with.
 *
 *     deno run --allow-net pipeline_server.ts PORT REPLY [--print] [--no-delay]
 *
 * @module
 */

import { TextLineStream } from "@std/streams/text-line-stream";

/** What differs from the shortest way to write it. */
interface Options {
  /** Whether it prints each line. */
  print: boolean;
  /** Whether it switches Nagle's algorithm off. */
  noDelay: boolean;
}

async function serve(
  conn: Deno.TcpConn,
  reply: Uint8Array<ArrayBuffer>,
  { print, noDelay }: Options,
): Promise<void> {
  if (noDelay) conn.setNoDelay(true);
  const lines = conn.readable
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  const writer = conn.writable.getWriter();
  for await (const line of lines) {
    // deno-lint-ignore no-console -- it is how such a server does it
    if (print) console.log(line);
    await writer.write(reply);
  }
}

const [port, text, ...words] = Deno.args;
const options = { print: words.includes("--print"), noDelay: words.includes("--no-delay") };
const reply = new TextEncoder().encode(`${text}\n`);
for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) {
  // A client that goes while it is written to is no fault.
  serve(conn, reply, options).catch(() => {});
}
