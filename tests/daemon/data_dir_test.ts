import assert from "node:assert/strict";
import { createDataDir } from "../../lib/daemon/data_dir.ts";

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
