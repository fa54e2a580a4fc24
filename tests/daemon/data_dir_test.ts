import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { Daemon } from "../../lib/daemon/daemon.ts";
import { createDataDir, dataDirProblem, keepsDataInDir } from "../../lib/daemon/data_dir.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import { SERVICES } from "../../lib/services.ts";
import { TestLog } from "../support/log.ts";

/** A directory in which not even root can create a file. */
const UNWRITABLE = "/sys";

/** A configuration with kv alone. */
function kvConfig(dataDir: string, storage: string) {
  const off = ["echo", "task", "mesh", "admin"].map((name) => `[${name}]\nenabled = false\n`);
  const text = `[daemon]\ndata_dir = "${dataDir}"\n[storage]\nurl = "${storage}"\n` +
    `[kv]\nlisten = "127.0.0.1:0"\n${off.join("")}`;
  const source = { file: "q.toml", text, env: () => undefined, readFile: () => "" };
  return loadConfig(source, SERVICES).config;
}

Deno.test("createDataDir() creates the directory with its parents, and accepts an existing one", async () => {
  const parent = await Deno.makeTempDir();
  try {
    await createDataDir(`${parent}/a/b`);
    await createDataDir(`${parent}/a/b`);
    assert.ok((await Deno.stat(`${parent}/a/b`)).isDirectory);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});

Deno.test("createDataDir() names the key, the path, the reason and a remedy", async () => {
  const file = await Deno.makeTempFile();
  try {
    await assert.rejects(createDataDir(file), {
      message: `Cannot create the directory daemon.data_dir "${file}": ` +
        "a file of that name is in the way. " +
        "Create it for the user that runs the daemon, or set daemon.data_dir to another path",
    });
    await assert.rejects(
      createDataDir(`${file}/data`),
      /"[^"]+\/data": part of the path is a file, not a directory\. Create it/,
    );
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("dataDirProblem() leaves nothing behind, and names the key if nothing can be written", async () => {
  const directory = await Deno.makeTempDir();
  try {
    assert.equal(await dataDirProblem(directory), undefined);
    assert.deepEqual([...Deno.readDirSync(directory)], []);
  } finally {
    await Deno.remove(directory);
  }
  assert.match(
    (await dataDirProblem(UNWRITABLE))!,
    /^Cannot write in the directory daemon\.data_dir "\/sys": .*\. Make it writable/,
  );
});

Deno.test("keepsDataInDir() is about databases in the data directory", () => {
  for (
    const [storage, expected] of [
      ["sqlite:quartet.db", true],
      ["sqlite:/var/lib/quartet.db", false],
      ["memory:", false],
      ["postgres://me@localhost/q", false],
    ] as const
  ) assert.equal(keepsDataInDir(kvConfig("data", storage), SERVICES), expected, storage);
});

Deno.test("Daemon.start() names data_dir if it cannot be written", async () => {
  const log = new TestLog();
  await assert.rejects(
    Daemon.start(kvConfig(UNWRITABLE, "sqlite:quartet.db"), {
      services: SERVICES,
      createLog: () => log.log,
      recentLog: new RecentLog(),
    }),
    /^Error: Cannot write in the directory daemon\.data_dir/,
  );
});
