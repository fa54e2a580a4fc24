/**
 * The baseline for kv on PostgreSQL: PUT and GET in the text protocol, with a mutex around the
 * database and one statement at a time. It serves its sockets as efficiently as kv, so that the
 * comparison shows only the difference in how the database is used.
 *
 * @module
 */

import postgres from "postgres";
import { StatementQueue } from "../support/statement_queue.ts";

const [port, url] = Deno.args;
const sql = postgres(url!, { max: 1, onnotice: () => {} });
await sql`CREATE TABLE IF NOT EXISTS pairs (key bytea PRIMARY KEY, value bytea NOT NULL)`;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const queue = new StatementQueue();

async function answer(line: string): Promise<string> {
  const [command, key = "", ...words] = line.split(" ");
  if (command === "PUT") {
    const value = encoder.encode(words.join(" "));
    await queue.run(async () => {
      await sql`INSERT INTO pairs VALUES (${encoder.encode(key)}, ${value})
        ON CONFLICT (key) DO UPDATE SET value = excluded.value`;
    });
    return "OK\n";
  }
  const rows = await queue.run(async () =>
    await sql`SELECT value FROM pairs WHERE key = ${encoder.encode(key)}`
  );
  return rows.length === 0 ? "NOT_FOUND\n" : `VALUE ${decoder.decode(rows[0]!.value)}\n`;
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  const chunk = new Uint8Array(65536);
  let unread = "";
  for (let count; (count = await conn.read(chunk)) !== null;) {
    const lines = (unread + decoder.decode(chunk.subarray(0, count))).split("\n");
    unread = lines.pop()!;
    const replies = encoder.encode((await Promise.all(lines.map(answer))).join(""));
    for (let at = 0; at < replies.length;) at += await conn.write(replies.subarray(at));
  }
  conn.close();
}

for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) {
  serve(conn).catch(() => conn.close());
}
