import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../lib/auth.ts";
import { Listener } from "../../lib/net/listener.ts";
import { PushServer } from "../../lib/task/push/server.ts";
import { runHere } from "../support/command_line.ts";
import { quartet } from "../support/quartet.ts";
import { signal } from "../support/signal.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";
import { put, reserve, spec } from "../task/queue_suite.ts";
import {
  ManualClock,
  queueOptions,
  SILENT_LOG,
  startServer,
  type TestServer,
} from "../task/support.ts";
import { MemoryQueue } from "../../lib/task/memory/queue.ts";
import { SYSTEM_CLOCK } from "../../lib/task/clock.ts";

/** The limit for each wait; a busy machine takes many seconds to start a program. */
const LIMIT_MS = 120_000;

interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** A `quartet` process, killed at the end of the test if it is still running. */
class Run implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly finished: Promise<Finished>;
  stderr = "";

  constructor(args: string[], input?: string | Uint8Array) {
    this.child = new Deno.Command(Deno.execPath(), {
      args: [...quartet(["-A"]).words, ...args],
      env: { NO_COLOR: "1" },
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.finished = this.#finish(input);
  }

  get result(): Promise<Finished> {
    return within(LIMIT_MS, "the command", this.finished);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signal(this.child, "SIGKILL");
    await this.finished;
  }

  async #finish(input?: string | Uint8Array): Promise<Finished> {
    if (input !== undefined) {
      const writer = this.child.stdin.getWriter();
      const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
      await writer.write(bytes).catch(() => {});
      await writer.close().catch(() => {});
    }
    const errors = (async () => {
      for await (const text of this.child.stderr.pipeThrough(new TextDecoderStream())) {
        this.stderr += text;
      }
    })();
    const stdout = await new Response(this.child.stdout).text();
    await errors;
    const { code } = await this.child.status;
    return { code, stdout, stderr: this.stderr };
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function at(server: TestServer): string {
  return `127.0.0.1:${server.port}`;
}

Deno.test("quartet put: three workers square the lines, and the results keep the order", async () => {
  await using server = await startServer();
  await using _a = new Run(["work", at(server), "--tube", "numbers"]);
  await using _b = new Run(["work", at(server), "--tube", "numbers", "--jobs", "3"]);
  await using _c = new Run(["work", at(server), "--tube", "numbers"]);
  const numbers = Array.from({ length: 300 }, (_, index) => index + 1);
  await using producer = new Run(
    ["put", at(server), "--tube", "numbers", "--lines", "--wait"],
    numbers.join("\n"),
  );
  const { code, stdout, stderr } = await producer.result;
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.equal(stdout, numbers.map((number) => `${number * number}\n`).join(""));
});

Deno.test("quartet work: runs a command for each job, with its body and environment", async () => {
  await using server = await startServer();
  const script = 'echo "$QUARTET_JOB_ID $QUARTET_TUBE $QUARTET_ATTEMPT $(cat)"';
  await using _worker = new Run(["work", at(server), "--", "sh", "-c", script]);
  await using producer = new Run(["put", at(server), "--wait", "hello"]);
  assert.deepEqual(await producer.result, { code: 0, stdout: "1 default 1 hello\n", stderr: "" });
});

Deno.test("quartet put: takes lines of any bytes and a body that begins with a dash", async () => {
  await using server = await startServer();
  const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0, 0xff, 13, 10, 0x80, 10);
  await using lines = new Run(["put", at(server), "--lines"], bytes);
  assert.equal((await lines.result).stdout, "1\n2\n");
  await using number = new Run(["put", at(server), "--", "-5"]);
  assert.equal((await number.result).stdout, "3\n");
  const client = server.queue.connect();
  const bodies = [];
  for (let count = 0; count < 3; count++) bodies.push((await reserve(client)).body);
  assert.deepEqual(bodies, ["\xef\xbb\xbf\0\xff", "\x80", "-5"]);
});

Deno.test("quartet put: puts jobs with options, and prints the id of the one that holds the key", async () => {
  await using server = await startServer();
  const client = server.queue.connect();
  const first = await put(client, spec("x"));
  const options = ["--unique", "k", "--after", String(first), "--timeout", "5s", "--attempts", "2"];
  const inputs = [["--lines", ...options], ["--after", "99", "x"]];
  const [lines, unknown] = await Promise.all(inputs.map(async (words) => {
    await using run = new Run(["put", at(server), ...words], "a\nb\n");
    return await run.result;
  }));
  assert.equal(lines!.stdout, `${first + 1}\n${first + 1}\n`);
  const stats = (await client.statsJob(first + 1))!;
  assert.deepEqual([stats.state, stats.key], ["held", "k"]);
  assert.deepEqual([stats.options!.attempts, stats.options!.timeoutMs], [2, 5000]);
  assert.equal(unknown!.code, 1);
  assert.match(unknown!.stderr, /^Cannot put a job: there never was one of the jobs in --after\n$/);
});

Deno.test("quartet put: gives the reason of a job that is buried", async () => {
  const rules = { default: { maxAttempts: 1 } };
  await using server = await startServer({
    queue: new MemoryQueue(SYSTEM_CLOCK, queueOptions({ rules })),
  });
  await using worker = new Run(["work", at(server), "--", "sh", "-c", "echo no bread >&2; exit 3"]);
  await using producer = new Run(["put", at(server), "--wait"], "body");
  assert.deepEqual(await producer.result, {
    code: 1,
    stdout: "",
    stderr: "Job 1: buried: no bread\n",
  });
  assert.match(worker.stderr, /Job 1: buried: no bread/);
  await using lines = new Run(["put", at(server), "--lines", "--wait"], "x\ny\n");
  const { code, stdout, stderr } = await lines.result;
  assert.equal(code, 1);
  assert.equal(stdout, "\n\n");
  assert.match(stderr, /Line 1: buried: no bread\nLine 2: buried: no bread\n/);
});

Deno.test("quartet work: on SIGTERM finishes its job, touching it, and exits with 0", async () => {
  // The clock of the queue stands still until the test turns it, however slow the machine is.
  const clock = new ManualClock();
  await using server = await startServer({ queue: new MemoryQueue(clock, queueOptions()) });
  const directory = await Deno.makeTempDir({ prefix: "quartet-test-" });
  try {
    const command =
      `cd "${directory}"; : >started; until [ -e go ]; do sleep 0.05; done; echo done`;
    await using worker = new Run(["work", at(server), "--", "sh", "-c", command]);
    const client = server.queue.connect();
    const id = await put(client, spec("x", { ttrMs: 1000 }));
    const stats = async () => (await client.statsJob(id))!;
    // Until the worker has read the job, a signal makes it leave without it.
    await until("the command runs", () => exists(`${directory}/started`), LIMIT_MS);
    signal(worker.child, "SIGTERM");
    for (let round = 0; round < 3; round++) {
      clock.advance(900);
      assert.equal((await stats()).leftMs, 100);
      await until("the job is touched", async () => (await stats()).leftMs === 1000, LIMIT_MS);
    }
    await Deno.writeTextFile(`${directory}/go`, "");
    assert.equal((await worker.result).code, 0);
    assert.deepEqual(await client.result(id), { state: "done", body: "done\n" });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("quartet work: the second SIGINT ends the command and gives the job back", async () => {
  await using server = await startServer();
  await using directory = await makeTempDirectory();
  const script = `: >"${directory.path}/started"; exec sleep 600`;
  await using worker = new Run(["work", at(server), "--", "sh", "-c", script]);
  const client = server.queue.connect();
  const id = await put(client, spec("x"));
  await until("the command runs", () => exists(`${directory.path}/started`), LIMIT_MS);
  // Those that follow within half a second count as the first, so send it until the worker exits.
  const sending = setInterval(() => signal(worker.child, "SIGINT"), 200);
  worker.child.status.then(() => clearInterval(sending));
  const { code, stderr } = await worker.result;
  assert.deepEqual([code, stderr], [130, "Job 1: ended and given back\n"]);
  const { state, attempts } = (await client.statsJob(id))!;
  assert.deepEqual([state, attempts], ["ready", 0]);
});

Deno.test("quartet work: a wrong token ends it", async () => {
  const guard = new Guard(["the-right-token"], new FailureCounter(100, 60_000));
  await using server = await startServer({ guard: () => guard });
  await using push = await startPushServer(() => guard);
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/token`;
  await Deno.writeTextFile(file, "a-wrong-token\n");
  await using worker = new Run(["work", at(server), "--token-file", file]);
  await using pushWorker = new Run(["work", push.address, "--push", "--token-file", file]);
  for (const run of [worker, pushWorker]) {
    const { code, stderr } = await run.result;
    assert.equal(code, 1);
    assert.match(stderr, /^Cannot log in: the server (rejected the token|said ERR wrong token)\n$/);
  }
});

Deno.test("quartet work: --timeout fails a job whose command takes too long", async () => {
  const rules = { default: { maxAttempts: 1 } };
  await using server = await startServer({
    queue: new MemoryQueue(SYSTEM_CLOCK, queueOptions({ rules })),
  });
  const options = ["--timeout", "100ms", "--kill-after", "100ms"];
  await using _worker = new Run([
    ...["work", at(server), ...options, "--"],
    ...["sh", "-c", "trap '' TERM; while :; do sleep 600; done"],
  ]);
  const client = server.queue.connect();
  const id = await put(client, spec("x"));
  const outcome = await within(LIMIT_MS, "the end", Promise.resolve(client.wait(id, LIMIT_MS)));
  assert.deepEqual(outcome, { state: "buried", body: "timed out after 0.1 s" });
});

Deno.test("quartet work: reconnects when the connection is lost", async () => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  await using server = await startServer({ queue });
  await using _worker = new Run(["work", at(server)]);
  const client = queue.connect();
  const first = await put(client, spec("3"));
  await within(LIMIT_MS, "the first result", Promise.resolve(client.wait(first, LIMIT_MS)));
  for (const connection of server.listener.connections) connection.close();
  const second = await put(client, spec("4"));
  const outcome = await within(
    LIMIT_MS,
    "the second",
    Promise.resolve(client.wait(second, LIMIT_MS)),
  );
  assert.deepEqual(outcome, { state: "done", body: "16" });
});

/** Starts a push server on a free port. */
async function startPushServer(guard: () => Guard | undefined = () => undefined) {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const server = new PushServer(queue, {
    tube: "square",
    maxLineBytes: 1000,
    log: SILENT_LOG,
    guard,
  });
  const listener = await Listener.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 }, {
    maxClients: 10,
    idleTimeoutMs: 0,
    fullReply: new Uint8Array(0),
    log: SILENT_LOG,
    handle: (connection) => server.serve(connection),
  });
  assert(listener.address.transport === "tcp");
  return {
    queue,
    address: `127.0.0.1:${listener.address.port}`,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      await queue.close();
    },
  };
}

Deno.test("quartet work --push: answers on the push port", async () => {
  await using server = await startPushServer();
  const client = server.queue.connect();
  client.use("square");
  const result = async (body: string) => {
    const id = await put(client, spec(body));
    return await within(LIMIT_MS, "the result", Promise.resolve(client.wait(id, LIMIT_MS)));
  };
  await using worker = new Run(["work", server.address, "--push"]);
  assert.deepEqual(await result("12"), { state: "done", body: "144" });
  signal(worker.child, "SIGTERM");
  assert.equal((await worker.result).code, 0);
  await using copier = new Run(["work", server.address, "--push", "--", "cat"]);
  assert.deepEqual(await result("a\xfe\xff"), { state: "done", body: "a\xfe\xff" });
  signal(copier.child, "SIGTERM");
  assert.equal((await copier.result).code, 0);
});

Deno.test("quartet put and work: name the right port to a client of the push port", async () => {
  await using server = await startPushServer();
  await using producer = new Run(["put", server.address, "x"]);
  await using worker = new Run(["work", server.address]);
  for (const run of [producer, worker]) {
    const { code, stderr } = await run.result;
    assert.equal(code, 1);
    assert.match(stderr, /^Cannot use 127\.0\.0\.1:\d+: .* push port.* beanstalk port/);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  }
});

Deno.test("quartet put: a server of another protocol is no queue", async () => {
  await using server = await startPushServer();
  const client = server.queue.connect();
  client.use("square");
  await put(client, spec("12"));
  await using producer = new Run(["put", server.address, "x"]);
  const { code, stderr } = await producer.result;
  assert.equal(code, 1);
  assert.match(stderr, /^Cannot use 127\.0\.0\.1:\d+: .* push port/);
});

Deno.test("quartet put and work: explain what is wrong with a command line", async () => {
  const faults: [string[], RegExp][] = [
    [["put", "127.0.0.1:1", "--priority=x", "y"], /--priority/],
    [["put", "127.0.0.1:1", "--ttr", "soon", "x"], /--ttr "soon" is not a time/],
    [["put", "127.0.0.1:1", "--lines", "x"], /--lines takes no BODY/],
    [["put", "127.0.0.1:1", "--after", "x", "y"], /--after must be 1 to 64 ids/],
    [["put", "127.0.0.1:1", "--delay", "5", "--expires", "5s", "y"], /--expires must be longer/],
    [["work", "127.0.0.1:1", "--jobs", "0"], /--jobs must be/],
    [["work", "127.0.0.1:1", "--jobs", "1e2"], /--jobs must be/],
    [["put", "127.0.0.1:1", "--priority", "0x10", "x"], /--priority must be/],
    [["work", "127.0.0.1:1", "--push", "--tube", "a"], /--tube cannot be used with --push/],
    [["work", "127.0.0.1:1", "--timeout", "soon", "--", "true"], /--timeout must be a time/],
    [["work", "127.0.0.1:1", "--kill-after", "0s", "--", "true"], /--kill-after must be a time/],
    [["work", "127.0.0.1:1", "--timeout", "1s"], /--timeout needs a COMMAND/],
    [["work", "nowhere"], /Cannot read "nowhere" as an address/],
  ];
  for (const [args, message] of faults) {
    const { code, stderr } = await runHere(args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
});

Deno.test("quartet work: without its command exits before it takes a job", async () => {
  await using server = await startServer();
  const client = server.queue.connect();
  await put(client, spec("x"));
  for (const command of ["/no/such/command", "no-such-command", "/"]) {
    await using worker = new Run(["work", at(server), "--", command]);
    const { code, stderr } = await worker.result;
    assert.equal(code, 1);
    assert.match(stderr, /^Cannot run "[^"]+": [^\n]+\n$/);
  }
  const { id } = await reserve(client);
  assert.equal((await client.statsJob(id))!.reserves, 1);
});

Deno.test("quartet work: exits if its command cannot be run, and gives the job back", async () => {
  await using server = await startServer();
  const script = await Deno.makeTempFile({ prefix: "quartet-test-" });
  try {
    await Deno.writeTextFile(script, "#!/no/such/interpreter\n");
    await Deno.chmod(script, 0o755);
    const client = server.queue.connect();
    const id = await put(client, spec("x"));
    await using worker = new Run(["work", at(server), "--", script]);
    const { code, stderr } = await worker.result;
    assert.equal(code, 1);
    assert.match(stderr, /^Cannot run "[^"]+": /m);
    assert.equal((await reserve(client)).id, id);
    assert.equal((await client.statsJob(id))!.reserves, 2);
  } finally {
    await Deno.remove(script);
  }
});
