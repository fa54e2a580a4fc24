import assert from "node:assert/strict";
import type { Address } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { startDaemon } from "../support/daemon.ts";
import { ROOT } from "../support/quartet.ts";
import { until } from "../support/within.ts";

/** An example of docs/protocols.md: what clients send (C) and what the server answers (S). */
interface Transcript {
  /** The port of client 1, and that of client 2 if it differs. */
  ports: string[];
  lines: Line[];
}

interface Line {
  from: "C" | "S";
  client: string;
  text: string;
  /** Whether some time passes first: the line is repeated until the replies are as shown. */
  later: boolean;
}

const LATER = "...";

/** The fenced blocks of a page whose info string is "transcript" and names of ports. */
function transcripts(page: string): Transcript[] {
  return [...page.matchAll(/^```transcript ([\w ]+)\n([\s\S]*?)^```$/gm)].map((
    [, ports, body],
  ) => ({
    ports: ports!.split(" "),
    lines: body!.replace(/\n$/, "").split("\n").flatMap((line, i, all) => {
      if (line === LATER) return [];
      const match = /^([CS])(\d?): ?(.*)$/.exec(line);
      assert.ok(match, `not a line of a transcript: ${line}`);
      const [, from, client, text] = match;
      return { from: from as "C" | "S", client: client!, text: text!, later: all[i - 1] === LATER };
    }),
  }));
}

/** Sends a line from new clients until the reply is as expected. */
async function untilAnswered(port: Address, line: string, answer: string): Promise<void> {
  await until(`"${line.trim()}" is answered with ${answer}`, async () => {
    using client = await TestClient.connect(port);
    await client.send(line);
    await client.closeWrite();
    return await client.rest() === answer;
  });
}

/** Ports whose lines end with CR LF. */
const CRLF_PORTS = ["redis", "beanstalk"];

/** The server's reply to the line at index `at`. */
function answerTo(lines: Line[], at: number): string {
  const after = lines.slice(at + 1);
  const next = after.findIndex(({ from }) => from === "C");
  return after.slice(0, next < 0 ? after.length : next).map(({ text }) => `${text}\n`).join("");
}

Deno.test("docs/protocols.md: the daemon behaves as in every example", async () => {
  const page = await Deno.readTextFile(`${ROOT}docs/protocols.md`);
  const examples = transcripts(page);
  await using daemon = await startDaemon({
    config: `
[echo]
listen = "127.0.0.1:0"
[kv]
listen = "127.0.0.1:0"
[task]
listen = "127.0.0.1:0"
beanstalk = "127.0.0.1:0"
[task.generator]
enabled = false
[mesh]
listen = "127.0.0.1:0"
`,
  });
  await Deno.writeTextFile(`${daemon.directory}/data/sort/names`, "pear\napple\nfig\n");
  const ports: Record<string, Address> = {
    echo: daemon.address("echo"),
    kv: daemon.address("kv"),
    redis: daemon.address("kv"),
    push: daemon.addresses("task")[0]!,
    beanstalk: daemon.addresses("task")[1]!,
    mesh: daemon.address("mesh"),
  };
  const shown = new Set(examples.flatMap((example) => example.ports));
  assert.deepEqual([...shown].sort(), Object.keys(ports).sort());
  for (const example of examples) {
    const clients = new Map<string, { port: string; client: TestClient }>();
    for (const { client: number } of example.lines) {
      if (clients.has(number)) continue;
      const port = example.ports[Number(number || 1) - 1] ?? example.ports[0]!;
      clients.set(number, { port, client: await TestClient.connect(ports[port]!) });
    }
    for (const [i, { from, client: number, text, later }] of example.lines.entries()) {
      const { port, client } = clients.get(number)!;
      const line = text + (CRLF_PORTS.includes(port) ? "\r\n" : "\n");
      if (later) await untilAnswered(ports[port]!, line, answerTo(example.lines, i));
      if (from === "C") await client.send(line);
      else assert.equal(await client.line(), line, `in an example of ${port}`);
    }
    for (const { client } of clients.values()) client.close();
  }
});
