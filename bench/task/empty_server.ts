/**
 * An empty read-write loop in Deno, the upper limit for the queue in memory: it answers put, reserve
 * and delete with what the load expects, and neither parses nor stores anything. For loads with one
 * command in flight and bodies of the length given.
 *
 * @module
 */

const encoder = new TextEncoder();
const [port, bodyBytes] = Deno.args.map(Number);
const body = "x".repeat(bodyBytes!);

/** The replies by the first letter of the command. */
const REPLIES: Readonly<Record<number, Uint8Array>> = {
  0x70: encoder.encode("INSERTED 1\r\n"),
  0x72: encoder.encode(`RESERVED 1 ${body.length}\r\n${body}\r\n`),
  0x64: encoder.encode("DELETED\r\n"),
};

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  const chunk = new Uint8Array(64 * 1024);
  while (await conn.read(chunk) !== null) await conn.write(REPLIES[chunk[0]!]!);
  conn.close();
}

for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: port! })) {
  serve(conn).catch(() => conn.close());
}
