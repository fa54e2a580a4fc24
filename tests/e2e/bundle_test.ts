import assert from "node:assert/strict";
import { TestClient } from "../support/client.ts";
import { startDaemon } from "../support/daemon.ts";
import { makeTempDirectory, ROOT, runQuartet } from "../support/quartet.ts";
import project from "../../deno.json" with { type: "json" };

/** Runs the task `bundle` with another file as its output. */
async function bundle(output: string): Promise<void> {
  const [program, ...words] = project.tasks.bundle.split(" ");
  assert.equal(program, "deno");
  const args = words.with(words.indexOf("--output") + 1, output);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

Deno.test("bundle: one file runs everything, the database's thread included", async (t) => {
  await using directory = await makeTempDirectory();
  const entry = `${directory.path}/quartet.js`;
  await bundle(entry);

  await t.step("it tells its version", async () => {
    const { code, stdout } = await runQuartet(["--version"], { entry });
    assert.equal(stdout, `quartet ${project.version}\n`);
    assert.equal(code, 0);
  });

  await t.step("it carries the commented configuration", async () => {
    const file = `${directory.path}/config.toml`;
    assert.equal((await runQuartet(["init", file], { entry })).code, 0);
    const shipped = await Deno.readTextFile(`${ROOT}config.toml`);
    assert.equal(await Deno.readTextFile(file), shipped);
  });

  await t.step("it serves, and stops well", async () => {
    const config = '[echo]\nlisten = "127.0.0.1:0"\n';
    await using daemon = await startDaemon({ config, entry });
    using client = await TestClient.connect(daemon.address("echo"));
    await client.send("a line\r\n");
    assert.equal(await client.line(), "a line\r\n");
    assert.equal((await daemon.stop()).code, 0);
  });

  await t.step("what it keeps in SQLite is there after a restart", async () => {
    const config = `[daemon]\ndata_dir = "${directory.path}/data"\n` +
      '[storage]\nurl = "sqlite:test.db"\n' +
      '[task]\nlisten = "127.0.0.1:0"\nbeanstalk = "127.0.0.1:0"\n';
    {
      await using daemon = await startDaemon({ config, entry });
      using client = await TestClient.connect(daemon.addresses("task")[1]!);
      await client.send("put 0 0 60 5\r\nhello\r\n");
      assert.equal(await client.line(), "INSERTED 1\r\n");
      assert.equal((await daemon.stop()).code, 0);
    }
    assert.ok((await Deno.stat(`${directory.path}/data/test.db`)).isFile);
    await using daemon = await startDaemon({ config, entry });
    using client = await TestClient.connect(daemon.addresses("task")[1]!);
    await client.send("reserve-with-timeout 0\r\n");
    assert.equal(await client.line(), "RESERVED 1 5\r\n");
    assert.equal(await client.line(), "hello\r\n");
    await client.send("delete 1\r\n");
    assert.equal(await client.line(), "DELETED\r\n");
    assert.equal((await daemon.stop()).code, 0);
  });

  await t.step("it answers clients of Redis, and keeps what they set", async () => {
    const config = `[daemon]\ndata_dir = "${directory.path}/data"\n` +
      '[storage]\nurl = "sqlite:kv.db"\n[kv]\nlisten = "127.0.0.1:0"\n';
    const exchanges = [
      ["*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n", "+OK\r\n"],
      ["*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", "$5\r\nvalue\r\n"],
    ] as const;
    for (const [command, reply] of exchanges) {
      await using daemon = await startDaemon({ config, entry });
      using client = await TestClient.connect(daemon.address("kv"));
      await client.send(command);
      assert.equal(new TextDecoder().decode(await client.bytes(reply.length)), reply);
      assert.equal((await daemon.stop()).code, 0);
    }
  });

  await t.step("it sorts in threads", async () => {
    const [input, output] = [`${directory.path}/input`, `${directory.path}/output`];
    for (
      const words of [
        ["records", "generate", "--count", "1000", input],
        ["sort", input, output],
        ["records", "verify", output],
      ]
    ) {
      const { code, stderr } = await runQuartet(words, { entry });
      assert.equal(code, 0, stderr);
    }
  });
});
