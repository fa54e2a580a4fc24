/**
 * The server that quartet is compared with: one pipeline of web streams per connection. It answers
 * each line with the reply given on its command line.
 *
 *     deno run --allow-net pipeline_server.ts PORT REPLY [--print] [--no-delay]
 *
 * @module
 */

import { TextLineStream } from "@std/streams/text-line-stream";

/** How it differs from the shortest way to write such a server. */
interface Options {
  /** Print each line. */
  print: boolean;
  /** Turn off Nagle's algorithm. */
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
    // deno-lint-ignore no-console -- as such a server would
    if (print) console.log(line);
    await writer.write(reply);
  }
}

const [port, text, ...words] = Deno.args;
const options = { print: words.includes("--print"), noDelay: words.includes("--no-delay") };
const reply = new TextEncoder().encode(`${text}\n`);
for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) {
  // A client may disconnect while it is written to.
  serve(conn, reply, options).catch(() => {});
}
