import assert from "node:assert/strict";
import { parseAddress } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { startDaemon } from "../support/daemon.ts";
import { freeze } from "../support/freeze.ts";
import { signal } from "../support/signal.ts";
import { until } from "../support/within.ts";
import { ask, directory, freeAddresses, jobEnd, nodeConfig, startMesh } from "./support/daemons.ts";
import { generated, joined, sortedRecords } from "./support/nodes.ts";

Deno.test("mesh: a client of any daemon can have all of them sort", async () => {
  await using stack = new AsyncDisposableStack();
  const daemons = await startMesh(stack, 3);
  const inputs = daemons.map((_, node) => generated(3001, { first: node * 5000, skew: true }));
  await Promise.all(daemons.map((daemon, node) => (
    Deno.writeFile(`${directory(daemon)}/in.bin`, inputs[node]!)
  )));
  assert.deepEqual(await ask(daemons[2]!, "SORT in.bin out.bin"), ["OK job 1"]);
  const end = await jobEnd(daemons[2]!, 1);
  assert.equal(end, "job 1 done in.bin out.bin records=9003");
  const outputs = daemons.map((daemon) => Deno.readFileSync(`${directory(daemon)}/out.bin`));
  const sorted = sortedRecords(inputs);
  assert.ok(joined(outputs).every((byte, i) => byte === sorted[i]));

  // A node without input fails the job on all nodes, and the next job works.
  await Deno.remove(`${directory(daemons[1]!)}/in.bin`);
  assert.deepEqual(await ask(daemons[0]!, "sort in.bin other.bin"), ["OK job 2"]);
  for (const daemon of daemons) {
    assert.match(await jobEnd(daemon, 2), /^job 2 failed in.bin other.bin node 1: Cannot read/);
    assert.deepEqual([...Deno.readDirSync(directory(daemon))].filter(isPart), []);
  }
  await Deno.writeFile(`${directory(daemons[1]!)}/in.bin`, inputs[1]!);
  assert.deepEqual(await ask(daemons[1]!, "SORT in.bin out.bin"), ["OK job 3"]);
  assert.match(await jobEnd(daemons[1]!, 3), /^job 3 done/);
});

function isPart({ name }: Deno.DirEntry): boolean {
  return name.endsWith(".quartet-part");
}

Deno.test("mesh: the loss of a daemon fails the job on the others, which keep serving", async () => {
  await using stack = new AsyncDisposableStack();
  const daemons = await startMesh(stack, 2, { more: 'dial_timeout = "2s"\n' });
  for (const daemon of daemons) await Deno.writeFile(`${directory(daemon)}/in`, generated(1000));
  signal(daemons[1]!.child, "SIGKILL");
  await until("the loss is noticed", async () => (
    (await ask(daemons[0]!, "NODES")).some((line) => /^node 1 .* down$/.test(line))
  ));
  assert.deepEqual(await ask(daemons[0]!, "SORT in out"), ["OK job 1"]);
  assert.match(
    await jobEnd(daemons[0]!, 1),
    /^job 1 failed in out Cannot connect within 2 s, missing node 1 \(.*refused/,
  );
});

Deno.test("mesh: a single daemon sorts; jobs wait their turn and can be cancelled", async () => {
  await using stack = new AsyncDisposableStack();
  const [daemon] = await startMesh(stack, 1, { more: "max_queue = 2\n" });
  // Large enough to be running still when the others are in the queue.
  await Deno.writeFile(`${directory(daemon!)}/large`, generated(200_000));
  await Deno.writeFile(`${directory(daemon!)}/small`, new TextEncoder().encode("b\na\n"));
  using client = await TestClient.connect(daemon!.address("mesh"));
  await client.send(
    "SORT large out0\nSORT small out1 lines\nSORT small out2 lines\nSORT small out3 lines\n" +
      "CANCEL 3\nCANCEL\nCANCEL 9\n",
  );
  const replies = [];
  for (let i = 0; i < 7; i++) replies.push((await client.line()).trimEnd());
  assert.deepEqual(replies, [
    "OK job 1",
    "OK job 2",
    "OK job 3",
    "ERR 2 jobs are waiting already",
    "OK job 3",
    "OK job 1",
    "ERR there is no job 9",
  ]);
  assert.equal(await jobEnd(daemon!, 1), "job 1 cancelled large out0");
  assert.equal(await jobEnd(daemon!, 2), "job 2 done small out1 records=2");
  assert.equal(await jobEnd(daemon!, 3), "job 3 cancelled small out2");
  assert.equal(Deno.readTextFileSync(`${directory(daemon!)}/out1`), "a\nb\n");
  const names = [...Deno.readDirSync(directory(daemon!))].map(({ name }) => name).sort();
  assert.deepEqual(names, ["large", "out1", "small"]);
});

Deno.test("mesh: jobs beyond what fits in a status message are not lost", async () => {
  await using stack = new AsyncDisposableStack();
  const daemons = await startMesh(stack, 2, { more: "max_queue = 1000\n" });
  // The first job waits for the node that is stopped, and the others for the first.
  for (const daemon of daemons) await Deno.writeFile(`${directory(daemon)}/in`, generated(1000));
  await freeze(daemons[1]!.child);
  using client = await TestClient.connect(daemons[0]!.address("mesh"));
  // As JSON, all of them together exceed the limit for a message.
  const name = '"'.repeat(1000);
  await client.send("SORT in out\n" + `SORT ${name} ${name}\n`.repeat(400));
  for (let job = 1; job <= 401; job++) assert.equal(await client.line(), `OK job ${job}\n`);
  assert.equal((await ask(daemons[0]!, "STATUS")).filter((l) => / waiting /.test(l)).length, 400);
  daemons[1]!.signal("SIGCONT");
  assert.equal(await jobEnd(daemons[0]!, 1), "job 1 done in out records=2000");
  await client.send(Array.from({ length: 400 }, (_, i) => `CANCEL ${i + 2}\n`).join(""));
  assert.ok(!daemons[1]!.log.includes("Control link failed"), daemons[1]!.log);
});

Deno.test("mesh: a malformed message ends the control link and nothing else", async () => {
  await using stack = new AsyncDisposableStack();
  const [a, b] = freeAddresses(2);
  const daemon = stack.use(await startDaemon({ config: nodeConfig([a!, b!], 1) }));
  const address = daemon.address("mesh");
  const hello = '{"version":2,"job":"control","node":0,"to":1,"nodes":2,"partition":"sample",' +
    '"format":{"recordBytes":100,"keyStart":0,"keyEnd":10}}';
  const format = { recordBytes: 100, keyStart: 0, keyEnd: 10 };
  const order = { key: "k", id: 1, input: "in", output: "out", format };
  const status = { jobs: [], up: [0] };
  const nonsense: unknown[] = [
    null,
    [],
    5,
    {},
    { kind: "dance" },
    { kind: "start" },
    { kind: "start", order: null },
    { kind: "start", order: { ...order, input: 7 } },
    { kind: "start", order: { ...order, format: null } },
    { kind: "start", order: { ...order, format: { ...format, keyEnd: 101 } } },
    { kind: "status" },
    { kind: "status", status: null },
    { kind: "status", status: { ...status, jobs: [{}] } },
    { kind: "status", status: { ...status, up: 7 } },
    { kind: "ended", key: "k", records: "many" },
  ];
  for (const message of ["nonsense", ...nonsense.map((each) => JSON.stringify(each))]) {
    using client = await TestClient.connect(address);
    await client.send(`CONTROL ${hello}\n${message}\n`);
    assert.match(await client.line(), /^OK /, message);
    assert.equal(await client.rest(), "", message);
    const [note, ...rest] = await ask(daemon, "STATUS");
    assert.match(note!, /^note node 0 \(.*\) is not connected; .* as it last reported them$/);
    assert.deepEqual(rest, ["END"], message);
    assert.equal((await ask(daemon, "NODES")).length, 3, message);
  }
  await daemon.loggedTimes('msg="Control link failed" node=0 reason="SyntaxError', 16);
});

Deno.test("mesh: long replies are sent in parts", async () => {
  await using stack = new AsyncDisposableStack();
  const [daemon] = await startMesh(stack, 1);
  const name = "x".repeat(2000);
  for (let job = 1; job <= 16; job++) {
    await ask(daemon!, `SORT ${name} ${name}`);
    await jobEnd(daemon!, job);
  }
  const mostKb = async () => {
    const status = await Deno.readTextFile(`/proc/${daemon!.child.pid}/status`);
    return Number(/VmHWM:\s*(\d+)/.exec(status)![1]);
  };
  const before = await mostKb();
  // All in one read; the replies have about 100 MB.
  using client = await TestClient.connect(daemon!.address("mesh"));
  await client.send("STATUS\n".repeat(1000));
  assert.match(await client.line(), /^job 1 failed x/);
  assert.ok(await mostKb() < before + 60_000);
});

Deno.test("mesh: a client cannot name a file outside the directory", async () => {
  await using stack = new AsyncDisposableStack();
  const [daemon] = await startMesh(stack, 1);
  const root = directory(daemon!);
  await Deno.writeTextFile(`${daemon!.directory}/secret`, "x\n");
  await Deno.mkdir(`${root}/inner`);
  await Deno.writeTextFile(`${root}/inner/in`, "x\n");
  await Deno.symlink(`${daemon!.directory}/secret`, `${root}/link`);
  await Deno.symlink(daemon!.directory, `${root}/folder`);
  await Deno.symlink("/nowhere/at/all", `${root}/broken`);
  const refused = [
    "../secret out",
    `${daemon!.directory}/secret out`,
    "inner/../../secret out",
    "link out",
    "folder/secret out",
    "inner/in ../out",
    "inner/in folder/out",
    "inner/in broken",
    "inner//in out",
    "./inner/in out",
  ];
  for (const [i, names] of refused.entries()) {
    assert.deepEqual(await ask(daemon!, `SORT ${names} lines`), [`OK job ${i + 1}`]);
    assert.match(await jobEnd(daemon!, i + 1), /failed .* Cannot use ".*" as a file/);
  }
  await ask(daemon!, "SORT inner/in inner/out lines");
  assert.match(await jobEnd(daemon!, refused.length + 1), /^job \d+ done/);
});

Deno.test("mesh: replies to wrong commands say what is wrong", async () => {
  await using stack = new AsyncDisposableStack();
  const [daemon] = await startMesh(stack, 1);
  const cases: [string, RegExp][] = [
    ["SORT", /^ERR expected SORT input output$/],
    ["SORT a b key=9", /^ERR Cannot read "9" as a key/],
    ["SORT a b c", /^ERR unknown option "c"/],
    ["SORTT a b", /^ERR unknown command "SORTT", did you mean SORT\?$/],
    ["CANCEL x", /^ERR expected CANCEL \[job\]$/],
    ["x".repeat(5000), /^ERR line too long \(limit 4096 bytes\)$/],
    ["PEER nonsense", /^ERR the hello cannot be read$/],
    ["CONTROL nonsense", /^ERR the hello cannot be read$/],
  ];
  for (const [command, expected] of cases) {
    assert.match((await ask(daemon!, command))[0]!, expected);
  }
  assert.deepEqual(await ask(daemon!, "NODES"), ["node 0 up (this one)", "END"]);
  assert.equal((await ask(daemon!, "help")).at(-1), "END");
  // Commands after QUIT are not answered.
  using client = await TestClient.connect(
    parseAddress(daemon!.log.match(/service=mesh address=(\S+)/)![1]!),
  );
  await client.send("STATUS\nQUIT\nSTATUS\n");
  assert.equal(await client.rest(), "END\nOK\n");
});
