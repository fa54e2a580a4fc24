import assert from "node:assert/strict";
import { existsSync as exists } from "node:fs";
import { commandRunner } from "../../lib/cli/command_runner.ts";
import type { JobOutcome } from "../../lib/cli/work_runner.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";

/** Runs a shell script on a job with this body. */
async function runScript(
  script: string,
  options: {
    timeoutMs?: number;
    /** The limit that the job has of its own. */
    jobTimeoutMs?: number;
    killAfterMs?: number;
    body?: Uint8Array;
    cancelled?: AbortSignal;
    stop?: AbortSignal;
  } = {},
): Promise<JobOutcome> {
  const { timeoutMs, killAfterMs = 60_000, body = new Uint8Array(0) } = options;
  const run = await commandRunner(["sh", "-c", script], { timeoutMs, killAfterMs });
  const { cancelled = new AbortController().signal, stop } = options;
  const own = { timeoutMs: options.jobTimeoutMs };
  const job = { id: "1", tube: "t", attempt: 1, body, cancelled, ...stop && { stop }, ...own };
  return await within(60_000, "the outcome", run(job));
}

function resultOf(outcome: JobOutcome): string {
  assert.ok(outcome.done, JSON.stringify(outcome));
  return new TextDecoder().decode(outcome.result);
}

/** Whether any process of a group is left. */
function groupExists(leader: number): boolean {
  try {
    Deno.kill(-leader, "SIGCONT");
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}

/**
 * Runs a script that takes too long. On a busy machine, the first limits may end it before it has
 * written its process id.
 *
 * @param file Where the script writes its process id.
 * @returns That id.
 */
async function timeOut(
  file: string,
  script: string,
  options: { killAfterMs?: number } = {},
): Promise<number> {
  for (let timeoutMs = 300; timeoutMs < 60_000; timeoutMs *= 4) {
    const outcome = await runScript(script, { timeoutMs, ...options });
    assert.deepEqual(outcome, { done: false, reason: `timed out after ${timeoutMs / 1000} s` });
    const pid = await Deno.readTextFile(file).catch(() => "");
    if (pid !== "") return Number(pid);
  }
  throw new Error(`It never wrote ${file}`);
}

Deno.test("commandRunner(): runs the command in a process group of its own", async () => {
  const [pid, group] = resultOf(await runScript("echo $$; ps -o pgid= -p $$")).trim().split(/\s+/);
  assert.equal(pid, group);
});

Deno.test("commandRunner(): a child in the background delays neither the result nor a failure", async () => {
  for (const script of ["sleep 600 & echo $!", "sleep 600 & echo $! >&2; exit 3"]) {
    const outcome = await runScript(script, { body: new Uint8Array(1024 * 1024) });
    const child = Number(outcome.done ? resultOf(outcome) : outcome.reason);
    Deno.kill(child, "SIGKILL");
  }
});

Deno.test("commandRunner(): a result that arrives slowly is read to the end", async () => {
  const script = "for i in 1 2 3; do sleep 0.4; echo $i; done";
  assert.equal(resultOf(await runScript(script)), "1\n2\n3\n");
});

Deno.test("commandRunner(): output that comes while this process is held up is not lost", async () => {
  await using directory = await makeTempDirectory();
  const { path } = directory;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const { setTimeout: start } = globalThis;
  // Holds this thread up as soon as the first timer for quiet output runs, until there is output
  // and the time is over.
  globalThis.setTimeout = ((call: () => void, ms: number) => {
    const timer = start(call, ms);
    if (ms === 250 && !exists(`${path}/go`)) {
      Deno.writeTextFileSync(`${path}/go`, "");
      for (let tries = 0; tries < 6000 && !exists(`${path}/written`); tries++) {
        Atomics.wait(sleeper, 0, 0, 10);
      }
      Atomics.wait(sleeper, 0, 0, 2 * ms);
    }
    return timer;
  }) as typeof setTimeout;
  try {
    const late = `(until [ -e go ]; do sleep 0.01; done; echo late; : >written) &`;
    assert.equal(resultOf(await runScript(`cd "${path}"; ${late} echo early`)), "early\nlate\n");
  } finally {
    globalThis.setTimeout = start;
  }
});

Deno.test("commandRunner(): a command that takes too long gets SIGTERM, and its job fails", async () => {
  const file = await Deno.makeTempFile();
  await timeOut(file, `trap 'echo bye; exit 0' TERM; echo $$ >${file}; sleep 600 & wait`);
  await Deno.remove(file);
});

Deno.test("commandRunner(): a group that ignores SIGTERM gets SIGKILL, every process of it", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/pid`;
  const script = `trap '' TERM; echo $$ >${file}; sleep 600 & while :; do sleep 600; done`;
  const leader = await timeOut(file, script, { killAfterMs: 100 });
  await until("the group has ended", () => !groupExists(leader));
});

Deno.test("commandRunner(): children that ignore SIGTERM do not survive their leader", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/pid`;
  const child = "(trap '' TERM; while :; do sleep 600; done) &";
  const script = `trap 'exit 0' TERM; echo $$ >${file}; ${child} while :; do sleep 0.1; done`;
  const leader = await timeOut(file, script);
  await until("the group has ended", () => !groupExists(leader));
});

Deno.test("commandRunner(): a cancelled job ends with its whole group", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/pid`;
  const cancelled = new AbortController();
  const script = `sleep 600 & echo $$ >${file}.new; mv ${file}.new ${file}; wait`;
  const running = runScript(script, { cancelled: cancelled.signal });
  await until("it runs", () => Deno.stat(file).then(() => true, () => false));
  cancelled.abort();
  assert.deepEqual(await running, { done: false, reason: "ended by SIGKILL" });
  const leader = Number(await Deno.readTextFile(file));
  await until("the group has ended", () => !groupExists(leader));
});

Deno.test("commandRunner(): the command of a cancelled job has time to end cleanly", async () => {
  await using directory = await makeTempDirectory();
  const [pid, tidied] = [`${directory.path}/pid`, `${directory.path}/tidied`];
  const stop = new AbortController();
  const child = `(trap '' TERM; while :; do sleep 600; done) &`;
  // Some shells report that their child was terminated as well.
  const script = `exec 2>/dev/null; trap 'touch ${tidied}; exit 3' TERM; ${child} ` +
    `echo $$ >${pid}.new; mv ${pid}.new ${pid}; while :; do sleep 0.05; done`;
  const running = runScript(script, { stop: stop.signal });
  await until("it runs", () => exists(pid));
  stop.abort();
  assert.deepEqual(await running, { done: false, reason: "exit code 3" });
  assert.ok(exists(tidied));
  const leader = Number(await Deno.readTextFile(pid));
  await until("the group has ended", () => !groupExists(leader));
});

Deno.test("commandRunner(): the command of a cancelled job that ignores SIGTERM gets SIGKILL", async () => {
  await using directory = await makeTempDirectory();
  const pid = `${directory.path}/pid`;
  const stop = new AbortController();
  const script = `trap '' TERM; echo $$ >${pid}.new; mv ${pid}.new ${pid}; ` +
    "while :; do sleep 600; done";
  const running = runScript(script, { stop: stop.signal, killAfterMs: 100 });
  await until("it runs", () => exists(pid));
  stop.abort();
  assert.deepEqual(await running, { done: false, reason: "ended by SIGKILL" });
  const leader = Number(await Deno.readTextFile(pid));
  await until("the group has ended", () => !groupExists(leader));
});

Deno.test("commandRunner(): reports the size of a result that it cuts", async () => {
  const outcome = await runScript("head -c 70000000 /dev/zero");
  assert.ok(outcome.done);
  assert.deepEqual([outcome.result.length, outcome.resultBytes], [64 * 1024 * 1024, 70_000_000]);
});

Deno.test("commandRunner(): the limit of a job comes before that of the worker", async () => {
  const outcome = await runScript("sleep 600", { timeoutMs: 599_000, jobTimeoutMs: 100 });
  assert.deepEqual(outcome, { done: false, reason: "timed out after 0.1 s" });
  assert.equal(
    resultOf(await runScript("sleep 0.2; echo x", { timeoutMs: 1, jobTimeoutMs: 59_000 })),
    "x\n",
  );
});

Deno.test("commandRunner(): a command says in a file how far it is, and the file goes with it", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/path`, stop = `${directory.path}/stop`;
  const script = `echo "half done" > $QUARTET_PROGRESS; echo $QUARTET_PROGRESS > ${path}.new
    mv ${path}.new ${path}; while [ ! -e ${stop} ]; do sleep 0.05; done`;
  const run = await commandRunner(["sh", "-c", script], {
    timeoutMs: undefined,
    killAfterMs: 60_000,
  });
  let read = () => Promise.resolve(new Uint8Array(0));
  const running = run({
    id: "1",
    tube: "t",
    attempt: 1,
    body: new Uint8Array(0),
    cancelled: new AbortController().signal,
    reports: (progress) => read = progress as typeof read,
  });
  await until("it has written", () => exists(path));
  const file = (await Deno.readTextFile(path)).trim();
  assert.equal(new TextDecoder().decode(await read()), "half done");
  await Deno.writeFile(file, new Uint8Array(2000).fill(0x61));
  assert.equal((await read()).length, 1024);
  await Deno.writeTextFile(stop, "");
  assert.ok((await within(60_000, "the outcome", running)).done);
  assert.ok(!exists(file));
  assert.equal((await read()).length, 0);
});
