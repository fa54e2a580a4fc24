import assert from "node:assert/strict";
import { formatAddress } from "../../lib/net/address.ts";
import { VERSION } from "../../lib/version.ts";
import { ask, jobEnd } from "../mesh/support/daemons.ts";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { type Program, ROOT, runQuartet } from "../support/quartet.ts";
import { signal } from "../support/signal.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";

/** Options for {@linkcode testProgram}. */
export interface ProgramOptions {
  /** Whether the program is an executable, whose permissions were fixed when it was compiled. */
  standalone: boolean;
}

/** Enough for every thread to read and sort several blocks; the default memory only costs time. */
const RECORDS = 300_000;
const MEMORY = "64MiB";

const BEANSTALK = 'beanstalk = "127.0.0.1:0"\n';

const decoder = new TextDecoder();

/** Runs a built form of quartet through a day's work: every service, and most commands. */
export async function testProgram(
  t: Deno.TestContext,
  program: Program,
  { standalone }: ProgramOptions,
): Promise<void> {
  await using directory = await makeTempDirectory();
  const { path } = directory;
  const configFile = `${path}/config.toml`;

  /** Runs a command that has to succeed. */
  async function run(words: string[], stdin = ""): Promise<{ stdout: string; stderr: string }> {
    const { code, ...output } = await runQuartet(words, { program, stdin });
    assert.equal(code, 0, `${words.join(" ")}: ${output.stderr}`);
    return output;
  }

  await t.step("prints its version", async () => {
    assert.equal((await run(["--version"])).stdout, `quartet ${VERSION}\n`);
  });

  await t.step("writes the commented configuration, and accepts it", async () => {
    await run(["init", configFile]);
    assert.equal(
      await Deno.readTextFile(configFile),
      await Deno.readTextFile(`${ROOT}config.toml`),
    );
    assert.match((await run(["check", "--config", configFile])).stdout, /\[mesh\]\nenabled = true/);
  });

  await t.step("prints completions", async () => {
    assert.match((await run(["completions", "bash"])).stdout, /\bserve\b[^]*\bcompletions\b/);
  });

  await t.step("prints permissions, with advice that fits the form it runs in", async () => {
    const { stdout, stderr } = await run(["permissions", "--config", configFile]);
    assert.match(stdout, /^--allow-net=\S+ --allow-read=/);
    if (standalone) assert.match(stderr, /^These flags have no effect on this executable/);
    else assert.equal(stderr, "");
  });

  await t.step("sorts a file in threads", async () => {
    const [input, output] = [`${path}/input`, `${path}/output`];
    await run(["records", "generate", "--count", String(RECORDS), input]);
    await run(["sort", "--memory", MEMORY, input, output]);
    assert.match((await run(["records", "verify", output])).stdout, /^Records: 300000\n/);
  });

  const sections = { echo: "", kv: "", task: BEANSTALK, mesh: `memory = "${MEMORY}"\n`, admin: "" };
  const services = Object.entries(sections).map(([name, more]) =>
    `[${name}]\nlisten = "127.0.0.1:0"\n${more}`
  );
  await Deno.writeTextFile(
    configFile,
    `[daemon]\ndata_dir = "${path}/data"\n[storage]\nurl = "sqlite:test.db"\n${services.join("")}`,
  );
  const start = () => startDaemon({ program, configFile });
  const stop = async (daemon: DaemonProcess) => {
    assert.equal((await daemon.stop()).code, 0);
    assert.ok(!daemon.log.includes("level=error"), daemon.log);
  };

  await t.step("serves all services, and stops with 0", async (t) => {
    await using daemon = await start();

    await t.step("echo", async () => {
      using client = await TestClient.connect(daemon.address("echo"));
      await client.send("a line\r\n");
      assert.equal(await client.line(), "a line\r\n");
    });

    await t.step("echo through quartet client", async () => {
      const address = formatAddress(daemon.address("echo"));
      const { stdout } = await run(["client", address, "--wait", "1s"], "typed\n");
      assert.equal(stdout, "typed\n");
    });

    await t.step("kv", async () => {
      using client = await TestClient.connect(daemon.address("kv"));
      await client.send("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n");
      assert.equal(await client.line(), "+OK\r\n");
    });

    await t.step("put --wait, with a worker that runs a command", async () => {
      const address = formatAddress(daemon.addresses("task")[1]!);
      const worker = new Deno.Command(program.path, {
        args: [...program.words, "work", address, "--", "sh", "-c", "tr a-z A-Z"],
        stdin: "null",
        stdout: "null",
        stderr: "inherit",
      }).spawn();
      try {
        assert.equal((await run(["put", address, "--wait", "hello"])).stdout, "HELLO");
        await run(["put", address, "--tube", "later", "a job that stays"]);
      } finally {
        signal(worker, "SIGTERM");
        assert.equal((await worker.status).code, 0);
      }
    });

    await t.step("mesh sorts in threads", async () => {
      await Deno.rename(`${path}/input`, `${path}/data/sort/in`);
      await ask(daemon, "SORT in out");
      assert.match(await jobEnd(daemon, 1), /^job 1 done in out records=300000$/);
      assert.deepEqual(
        await Deno.readFile(`${path}/data/sort/out`),
        await Deno.readFile(`${path}/output`),
      );
    });

    await t.step("admin: health and the page with its files", async () => {
      const admin = formatAddress(daemon.address("admin"));
      assert.equal(
        (await run(["health", "--config", configFile, "--set", `admin.listen=${admin}`]))
          .stderr,
        "",
      );
      for (const file of ["index.html", "generated/page.css", "generated/page.js"]) {
        const name = file === "index.html" ? "" : file.split("/")[1];
        const text = await (await fetch(`http://${admin}/${name}`)).text();
        assert.equal(text, await Deno.readTextFile(`${ROOT}lib/admin/page/${file}`));
      }
    });

    await t.step("SIGHUP", async () => {
      daemon.signal("SIGHUP");
      await daemon.logged(/msg=Reloaded/);
    });

    await stop(daemon);
  });

  await t.step("keeps in SQLite what it was given, across a restart", async () => {
    await using daemon = await start();
    using kv = await TestClient.connect(daemon.address("kv"));
    await kv.send("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    assert.equal(decoder.decode(await kv.bytes(11)), "$5\r\nvalue\r\n");
    using task = await TestClient.connect(daemon.addresses("task")[1]!);
    await task.send("watch later\r\nreserve-with-timeout 0\r\n");
    assert.equal(await task.line(), "WATCHING 2\r\n");
    assert.equal(await task.line(), "RESERVED 2 16\r\n");
    assert.equal(await task.line(), "a job that stays\r\n");
    // The daemon would wait for the end of a job that a worker still has.
    await task.send("delete 2\r\n");
    assert.equal(await task.line(), "DELETED\r\n");
    await stop(daemon);
  });
}
