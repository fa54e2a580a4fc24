/**
 * An empty read-write loop in Deno, the upper limit for kv: it answers each request with `+OK` and
 * neither parses nor stores anything. For requests whose arguments contain no `*`, such as those of
 * redis-benchmark.
 *
 * @module
 */

const STAR = 0x2a;
const OK = new TextEncoder().encode("+OK\r\n");

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  const chunk = new Uint8Array(64 * 1024);
  let replies = new Uint8Array(0);
  for (let count; (count = await conn.read(chunk)) !== null;) {
    let requests = 0;
    for (let at = 0; at < count; at++) if (chunk[at] === STAR) requests++;
    const length = requests * OK.length;
    if (replies.length < length) {
      replies = new Uint8Array(2 * length);
      for (let at = 0; at < replies.length; at += OK.length) replies.set(OK, at);
    }
    for (let at = 0; at < length;) at += await conn.write(replies.subarray(at, length));
  }
  conn.close();
}

const [port] = Deno.args;
for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) {
  serve(conn).catch(() => conn.close());
}
