import assert from "node:assert/strict";
import { encodeFrame, FRAME } from "../../lib/mesh/link/frame.ts";
import { parseAddress } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { runHere } from "../support/command_line.ts";
import { signal } from "../support/signal.ts";
import { until } from "../support/within.ts";
import { FakePeer } from "./support/fake_peer.ts";
import { generated, MeshFiles } from "./support/nodes.ts";
import { QuartetProcess } from "./support/quartet_process.ts";

/** How long a process may take to end on a busy machine. The tests wait for its end, not this long. */
const STOP_MS = 180_000;
/** Longer than a node on a busy machine is silent, and short enough to be waited for. */
const SHORT_STALL = "20s";
const OLD_OUTPUT = "what was there before";

/** Files for a mesh whose outputs exist already. */
async function filesWithOutputs(inputs: Uint8Array[]): Promise<MeshFiles> {
  const files = await MeshFiles.create(inputs);
  for (let node = 0; node < inputs.length; node++) {
    await Deno.writeTextFile(files.output(node), OLD_OUTPUT);
  }
  return files;
}

/** Expects a process to fail with this message on standard error. */
async function assertFails(process: QuartetProcess, message: RegExp): Promise<void> {
  const { code, stderr, stdout } = await process.ended(STOP_MS);
  assert.match(stderr, message);
  assert.equal(stdout, "");
  assert.equal(code, 1);
}

/** Expects unchanged outputs and no other files, except those of nodes that were killed. */
async function assertUntouched(files: MeshFiles, ...killed: number[]): Promise<void> {
  for (let node = 0; node < files.addresses.length; node++) {
    assert.equal(await Deno.readTextFile(files.output(node)), OLD_OUTPUT);
  }
  const others = (await files.leftovers()).filter((name) => (
    !killed.some((node) => name.startsWith(`.out-${node}.`))
  ));
  assert.deepEqual(others, []);
}

const small = () => [generated(500), generated(500, { first: 500 }), new Uint8Array(0)];

/** What the fake peer does before it holds up the others. */
const PHASES: Record<string, (fake: FakePeer, files: MeshFiles) => Promise<void>> = {
  // Nodes create their temporary outputs once they are connected to all others.
  sample: async (_, files) => {
    const temporary = async (node: number) => (
      (await files.leftovers()).some((name) => name.startsWith(`.out-${node}.`))
    );
    await until(
      "both are connected",
      async () => await temporary(0) && await temporary(1),
      STOP_MS,
    );
  },
  shuffle: (fake) => fake.sample(),
  commit: async (fake) => {
    await fake.sample();
    await fake.end();
    for (const node of [0, 1]) await fake.frame(node, FRAME.END);
  },
};

for (const [phase, play] of Object.entries(PHASES)) {
  Deno.test(`quartet sort: a node that is killed during ${phase} is named by the others`, async () => {
    await using files = await filesWithOutputs(small());
    await using first = new QuartetProcess(files.words(0));
    await using second = new QuartetProcess(files.words(1));
    await using fake = await FakePeer.join(files.addresses);
    await play(fake, files);
    signal(second.child, "SIGKILL");
    await assertFails(first, /^node 1 \(127.0.0.1:\d+\) closed the connection during /);
    assert.equal((await fake.abort(0)).node, 1);
    await assertUntouched(files, 1);
  });
}

Deno.test("quartet sort: a node that is killed before all are connected is named", async () => {
  await using files = await filesWithOutputs(small());
  await using first = new QuartetProcess(files.words(0));
  await using second = new QuartetProcess(files.words(1));
  // It names the nodes that are missing every 5 s.
  await first.said(/^Waiting for node 2 /m);
  signal(second.child, "SIGKILL");
  await assertFails(first, /node 1 \(.*\) closed the connection before all were connected/);
  await assertUntouched(files);
});

Deno.test("quartet sort: a node that never starts is named", async () => {
  await using files = await filesWithOutputs(small());
  await using first = new QuartetProcess(files.words(0, "--dial-timeout", "3s"));
  await assertFails(first, /^Cannot connect within 3 s, missing node 1 \(.*refused.*, node 2 /i);
  await assertUntouched(files);
});

Deno.test("quartet sort: a node that is stopped is named after the stall timeout", async () => {
  await using files = await filesWithOutputs(small());
  const words = ["--stall-timeout", SHORT_STALL];
  await using first = new QuartetProcess(files.words(0, ...words));
  await using second = new QuartetProcess(files.words(1, ...words));
  await using fake = await FakePeer.join(files.addresses);
  const pings = setInterval(() => {
    for (const link of fake.links.values()) link.send(FRAME.PING).catch(() => {});
  }, 200);
  try {
    await fake.sample();
    signal(second.child, "SIGSTOP");
    await assertFails(first, /^node 1 \(.*\): nothing was heard for 20 s during shuffle/);
  } finally {
    clearInterval(pings);
  }
  await assertUntouched(files, 1);
});

Deno.test("quartet sort: a damaged frame is refused, and its sender named", async () => {
  await using files = await filesWithOutputs(small());
  await using first = new QuartetProcess(files.words(0));
  await using second = new QuartetProcess(files.words(1));
  await using fake = await FakePeer.join(files.addresses);
  await fake.sample();
  const frame = encodeFrame(FRAME.DATA, new Uint8Array(124));
  frame[50]! ^= 1;
  await fake.links.get(1)!.write(frame);
  await assertFails(second, /^node 2 \(.*\): sent a damaged frame during (sample|shuffle)/);
  await assertFails(first, /node 2 /);
  await assertUntouched(files);
});

for (const [place, type] of [["from node 0", FRAME.COMMIT], ["to node 0", FRAME.DONE]] as const) {
  Deno.test(`quartet sort: a frame that only goes ${place} is refused elsewhere`, async () => {
    await using files = await filesWithOutputs(small());
    await using first = new QuartetProcess(files.words(0));
    await using second = new QuartetProcess(files.words(1));
    await using fake = await FakePeer.join(files.addresses);
    await fake.sample();
    await fake.links.get(1)!.send(type);
    // If it took the frame, it would name its output although the others may still fail.
    await fake.end();
    await assertFails(second, /^node 2 \(.*\): sent a frame of type \d, which is out of place/);
    await assertFails(first, /node 2 /);
    await assertUntouched(files);
  });
}

Deno.test("quartet sort: data that gets lost fails the job", async () => {
  await using files = await filesWithOutputs(small());
  await using first = new QuartetProcess(files.words(0));
  await using second = new QuartetProcess(files.words(1));
  await using fake = await FakePeer.join(files.addresses);
  await fake.sample();
  await fake.end({ records: 5, bytes: 500, sum: 12345n });
  await assertFails(first, /node 2 .*5 records and only 0 of them arrived/);
  await assertFails(second, /node 2 /);
  await assertUntouched(files);
});

Deno.test("quartet sort: nodes with different settings say what differs", async () => {
  const cases: [string[], RegExp][] = [
    [["--key", "0:9"], /its format is records of 100 bytes, key 0:\d+, mine is/],
    [["--partition", "bits"], /its partition is "(bits|sample)", mine is/],
    [["--job", "other"], /its job is "(other|sort)", mine is|Cannot connect/],
  ];
  await Promise.all(cases.map(async ([words, message]) => {
    await using files = await filesWithOutputs(small().slice(0, 2));
    // A node that hears only of another job waits for its own until the end.
    const patience = words[0] === "--job" ? ["--dial-timeout", "8s"] : [];
    await using first = new QuartetProcess(files.words(0, ...patience));
    await using second = new QuartetProcess(files.words(1, ...patience, ...words));
    await assertFails(first, message);
    await assertFails(second, message);
    await assertUntouched(files);
  }));
});

Deno.test("quartet sort: strangers at the port are refused, and the job goes on", async () => {
  await using files = await MeshFiles.create(small());
  await using third = new QuartetProcess(files.words(2));
  const address = parseAddress(files.addresses[2]!);
  let connected = 0;
  await until(
    "it listens and strangers have called",
    async () => {
      try {
        using client = await TestClient.connect(address);
        const bytes = crypto.getRandomValues(new Uint8Array(5000));
        await client.send(connected % 2 === 0 ? bytes : "PEER {}\n");
        await client.rest().catch(() => {});
        return ++connected === 6;
      } catch {
        return false;
      }
    },
    STOP_MS,
    20,
  );
  await using first = new QuartetProcess(files.words(0));
  await using second = new QuartetProcess(files.words(1));
  for (const node of [first, second, third]) assert.equal((await node.ended()).code, 0);
});

Deno.test("quartet sort: an output that cannot grow any more fails the job everywhere", async () => {
  const inputs = [generated(30_000), generated(30_000, { first: 30_000 })];
  await using files = await filesWithOutputs(inputs);
  // Stands in for a full file system: no file may be larger than 512 KiB.
  const limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 1024; exec "$@"', "sh"];
  await using first = new QuartetProcess(files.words(0));
  await using second = new QuartetProcess(files.words(1), { prefix: limited });
  await assertFails(second, /^node 1: Cannot write the output: File too large/);
  await assertFails(first, /^node 1: Cannot write the output: File too large/);
  await assertUntouched(files);
});

Deno.test("quartet sort: a spill file that cannot be written is named", async () => {
  await using files = await filesWithOutputs([generated(700_000)]);
  await using only = new QuartetProcess(files.words(0, "--spill-dir", `${files.directory}/none`));
  await assertFails(only, /^Cannot spill to ".*\/none\/sort-.*\.spill": No such file/);
  await assertUntouched(files);
});

Deno.test("quartet sort: an output never replaces a pipe or a device", async () => {
  await using files = await MeshFiles.create([generated(10)]);
  const fifo = files.output(0);
  assert.ok((await new Deno.Command("mkfifo", { args: [fifo] }).output()).success);
  await using only = new QuartetProcess(files.words(0));
  await assertFails(only, /^Cannot write ".*out-0": it is not a file$/m);
  assert.ok((await Deno.stat(fifo)).isFifo);
});

Deno.test("quartet sort: a record that is cut off is named by its offset", async () => {
  await using files = await filesWithOutputs([generated(10), generated(10).subarray(0, 950)]);
  await using first = new QuartetProcess(files.words(0));
  await using second = new QuartetProcess(files.words(1));
  const message =
    /^node 1: Cannot sort ".*in-1": the record at byte 900 is cut off, it has 50 of 100/;
  await assertFails(first, message);
  await assertFails(second, message);
  await assertUntouched(files);
});

Deno.test("quartet sort: a line that is too long is named by its offset", async () => {
  const input = new Uint8Array(200_000).fill(0x61);
  input[9] = 0x0a;
  await using files = await filesWithOutputs([input]);
  await using only = new QuartetProcess(files.words(0, "--lines", "--max-line", "65534B"));
  const message = /^Cannot sort ".*\/in-0": the line at byte 10 has more than 65534 bytes$/m;
  await assertFails(only, message);
  await assertUntouched(files);
});

Deno.test("quartet sort: SIGTERM cancels the job, and no files are left", async () => {
  await using files = await filesWithOutputs(small());
  await using first = new QuartetProcess(files.words(0));
  await using second = new QuartetProcess(files.words(1));
  await using fake = await FakePeer.join(files.addresses);
  await fake.sample();
  await fake.end();
  signal(first.child, "SIGTERM");
  await assertFails(first, /^node 0 has been stopped$/m);
  await assertFails(second, /^node 0 has been stopped$/m);
  await assertUntouched(files);
});

Deno.test("quartet sort: the command line is checked", async () => {
  const cases: [string[], number, RegExp][] = [
    [["a", "b", "--memory", "1MiB"], 2, /--memory "1MiB" is not a size from 64MiB/],
    [["a", "b", "--threads", "9"], 2, /--threads must be a whole number from 1 to 8/],
    [["a", "b", "--nodes", "h:1,h:2"], 2, /--node is missing/],
    [["a", "b", "--nodes", "h:1,h:2", "--node", "2"], 2, /--node "2" is not one of 0 to 1/],
    [["a", "b", "--nodes", "h:1,h:2,h:3", "--node", "0", "--partition", "bits"], 2, /there are 3/],
    [["a", "b", "--lines", "--record", "5"], 2, /"lines" and "record" together/],
    [["a", "b", "--nodes", "h"], 2, /Cannot read "h" as an address/],
    [["a", "b", "--nodes", "no.yaml", "--node", "0"], 1, /Cannot read "no.yaml"/],
    [["no-such-file", "b"], 1, /Cannot read "no-such-file"/],
  ];
  for (const [words, expected, message] of cases) {
    const { code, stderr } = await runHere(["sort", ...words]);
    assert.match(stderr, message);
    assert.equal(code, expected);
  }
});
