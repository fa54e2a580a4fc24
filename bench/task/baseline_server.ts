/**
 * The queue that one gets with a mutex around the database: put, reserve and delete of the
 * beanstalk protocol, each one statement, and never two of them at a time.
 *
 * @module
 */

import postgres from "postgres";
import { StatementQueue } from "../support/statement_queue.ts";
import { valueBytes } from "../../lib/storage/value.ts";
import { Buffer } from "node:buffer";
import type { BeanstalkCommand } from "../../lib/task/beanstalk/command.ts";
import { CommandParser } from "../../lib/task/beanstalk/parser.ts";
import { ReplyBuffer } from "../../lib/task/beanstalk/reply_buffer.ts";
import { ReadBuffer } from "../../lib/net/read_buffer.ts";

const [port, url] = Deno.args;
const sql = postgres(url!, { max: 1, onnotice: () => {} });
await sql`DROP TABLE IF EXISTS jobs`;
await sql`CREATE TABLE jobs (
  id bigserial PRIMARY KEY, tube text, state int, priority bigint, due_at timestamptz, body bytea)`;
await sql`CREATE INDEX jobs_ready ON jobs (tube, priority, id) WHERE state = 0`;

const queue = new StatementQueue();

async function answer(command: BeanstalkCommand, replies: ReplyBuffer): Promise<void> {
  if (command.kind === "put") {
    const { priority, body } = command.spec;
    const [row] = await queue.run(async () =>
      await sql`INSERT INTO jobs (tube, state, priority, body)
        VALUES ('default', 0, ${priority}, ${Buffer.from(valueBytes(body))}) RETURNING id`
    );
    replies.line(`INSERTED ${row!.id}`);
  } else if (command.kind === "reserve") {
    const [row] = await queue.run(async () =>
      await sql`UPDATE jobs SET state = 1, due_at = now() + interval '2 minutes' WHERE id = (
          SELECT id FROM jobs WHERE tube = 'default' AND state = 0 ORDER BY priority, id
          LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, body`
    );
    replies.body("RESERVED", Number(row!.id), row!.body);
  } else if (command.kind === "delete") {
    const { id } = command;
    const { count } = await queue.run(async () => await sql`DELETE FROM jobs WHERE id = ${id}`);
    replies.word(count === 1 ? "DELETED" : "NOT_FOUND");
  } else {
    replies.word("UNKNOWN_COMMAND");
  }
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  const input = new ReadBuffer({ maxBytes: 1024 * 1024 });
  const parser = new CommandParser({ maxJobBytes: 65535 });
  const replies = new ReplyBuffer();
  while (await input.fill(conn)) {
    for (let command; (command = parser.next(input)) !== null;) await answer(command, replies);
    if (replies.length > 0) await conn.write(replies.bytes);
    replies.clear();
  }
}

for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) {
  serve(conn).catch(() => conn.close());
}
