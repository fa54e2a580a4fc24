/**
 * Runs the code blocks of the README word for word, from a copy of the sources, with their fixed
 * ports in a network of its own.
 *
 * @module
 */

import assert from "node:assert/strict";
import { TextLineStream } from "@std/streams/text-line-stream";
import { canUseOwnNetwork, IN_OWN_NETWORK, testInOwnNetwork } from "../support/own_network.ts";
import { isInstalled } from "../support/programs.ts";
import { ROOT } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";

/** What a reader's machine must have, beyond a shell, for the first block. */
const NODE = ["node", "npx"];

/** The clients in the other blocks. */
const CLIENTS = ["nc", "redis-cli"];

/** The sources that `task start` needs. */
const SOURCES = ["main.ts", "lib", "std", "tests/deno.json", "deno.json", "deno.lock"];

const LINE_MAX_MS = 60_000;
const METRICS_EVERY_MS = 100;

/** Commands that are not run here, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "npx -y deno@2.9.6 task test": "runs this very test",
};

/** The command that starts the daemon for all blocks. */
const START = "npx -y deno@2.9.6 task start";

/** Variables that say where Node and Deno keep what they have downloaded. */
const CACHE_VARIABLE =
  /^(npm_config_(cache|userconfig|globalconfig)|DENO_DIR|XDG_CACHE_HOME|HOME)$/i;

/** Lines for the section `[echo]` of the configuration. */
const ECHO_KEYS = ['nats = "127.0.0.1:4222"', 'websocket = "127.0.0.1:8084"'];

/** The lines of a code block, without their indentation. */
type Block = readonly string[];

/** The code blocks of a page: paragraphs that are indented by four spaces. */
function codeBlocks(page: string): Block[] {
  return [...page.matchAll(/(?<=\n\n)(?: {4}.*\n)+/g)]
    .map(([block]) => block.trimEnd().split("\n").map((line) => line.slice(4)));
}

/** A command of a block, and what is shown below it. */
interface Step {
  command: string;
  shown: string[];
}

/** The commands of a block, each after a prompt. */
function stepsOf(block: Block): Step[] {
  const steps: Step[] = [];
  for (const line of block) {
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), shown: [] });
    else steps.at(-1)!.shown.push(line.replace(/ {2,}# .*$/, ""));
  }
  return steps;
}

/** A process group whose output is read by line. */
class Shell implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;

  constructor(command: string, options: { cwd: string; env: Record<string, string> }) {
    this.#child = new Deno.Command("/bin/bash", {
      args: ["-c", `exec 2>&1; ${command}`],
      clearEnv: true,
      detached: true,
      ...options,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#keyboard = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
  }

  async type(line: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(`${line}\n`));
  }

  async line(): Promise<string> {
    const { done, value } = await within(LINE_MAX_MS, "a line", this.#lines.read());
    if (done) throw new Error("The program has ended");
    return value;
  }

  /** Reads up to the first line that matches. */
  async lineLike(pattern: RegExp): Promise<string> {
    let text = "";
    for (;;) {
      const line = await this.line().catch((error) => {
        throw new Error(`${error.message}, before ${pattern}:\n${text}`);
      });
      if (pattern.test(line)) return line;
      text += `${line}\n`;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Deno.Command("kill", { args: ["-KILL", "--", `-${this.#child.pid}`] }).output();
    await this.#child.status;
    await this.#keyboard.close().catch(() => {});
    await this.#lines.cancel();
  }
}

/** Makes a folder of links to some programs, which is the whole PATH of a reader. */
async function linkPrograms(folder: string, names: readonly string[]): Promise<void> {
  await Deno.mkdir(folder);
  for (const name of names) {
    const { stdout } = await new Deno.Command("which", { args: [name] }).output();
    await Deno.symlink(new TextDecoder().decode(stdout).trim(), `${folder}/${name}`);
  }
}

/** The value of a metric without labels. */
async function metric(name: string): Promise<number> {
  const response = await fetch("http://127.0.0.1:8088/metrics");
  return Number(new RegExp(`^${name} (.*)$`, "m").exec(await response.text())?.[1]);
}

/** Runs one block in a shell of its own, and compares what is shown. */
async function runBlock(block: Block, shell: Shell, daemon: Shell): Promise<void> {
  let subscriptions = NaN;
  for (const { command, shown } of stepsOf(block)) {
    if (command.startsWith("quartet sub ")) {
      subscriptions = await metric("quartet_bus_subscriptions");
    } else if (command.startsWith("quartet pub ")) {
      const isThere = async () => await metric("quartet_bus_subscriptions") > subscriptions;
      await until("the subscriber is there", isThere, LINE_MAX_MS, METRICS_EVERY_MS);
    } else if (command.startsWith("quartet records verify ")) {
      await daemon.lineLike(/msg="Job (done|failed)"/);
    }
    await shell.type(command);
    if (command.startsWith("nc 127.0.0.1 8080")) {
      assert.equal(shown.length, 2);
      await shell.type(shown[0]!);
      assert.equal(await shell.line(), shown[1]);
    } else if (command.startsWith("nc 127.0.0.1 8082")) {
      const [number, square] = shown.map(Number);
      assert.equal(square, number! ** 2);
      const received = await shell.line();
      assert.match(received, /^\d+$/);
      await shell.type(String(Number(received) ** 2));
      const answered = async () =>
        await metric('quartet_task_generator_answers_total\\{answer="right"\\}') === 1;
      await until("the square has arrived", answered, LINE_MAX_MS, METRICS_EVERY_MS);
    } else {
      for (const line of shown) assert.equal(await shell.line(), line, command);
    }
  }
}

const canRun = IN_OWN_NETWORK || await canUseOwnNetwork() &&
    await isInstalled("npx") && await isInstalled("nc", "-h") && await isInstalled("redis-cli");

Deno.test({
  name: "README.md: every command does what is shown",
  ignore: !canRun,
  fn: async () => {
    if (!IN_OWN_NETWORK) {
      // The network inside reaches no registry, so npx has to fetch Deno before.
      const npx = START.split(" ").slice(0, 3);
      const fetched = await new Deno.Command(npx[0]!, { args: [...npx.slice(1), "--version"] })
        .output();
      assert.ok(fetched.success, new TextDecoder().decode(fetched.stderr));
      await testInOwnNetwork(import.meta.url);
      return;
    }
    const blocks = codeBlocks(await Deno.readTextFile(`${ROOT}README.md`));
    const isDialogue = (block: Block) => block[0]!.startsWith("$ ");
    const others = blocks.filter((block) => !isDialogue(block)).flat();
    const known = [START, ...Object.keys(NOT_RUN), ...ECHO_KEYS];
    assert.deepEqual(others.toSorted(), known.toSorted());

    await using directory = await makeTempDirectory();
    const sources = `${directory.path}/quartet`;
    await Deno.mkdir(`${sources}/tests`, { recursive: true });
    for (const path of SOURCES) {
      const { success } = await new Deno.Command("cp", {
        args: ["-r", ROOT + path, `${sources}/${path}`],
      }).output();
      assert.ok(success, path);
    }
    const config = await Deno.readTextFile(`${ROOT}config.toml`);
    const joined = config.replace(/^\[echo\]$/m, `[echo]\n${ECHO_KEYS.join("\n")}`);
    await Deno.writeTextFile(`${sources}/config.toml`, joined);

    const nodeOnly = `${directory.path}/node`;
    await linkPrograms(nodeOnly, [...NODE, "sh"]);
    const quartet = `${directory.path}/bin`;
    await linkPrograms(quartet, [...CLIENTS, "seq", "tail"]);
    const main = `${sources}/main.ts`;
    await Deno.writeTextFile(
      `${quartet}/quartet`,
      `#!/bin/sh\nexec ${Deno.execPath()} run --frozen -A --config=${sources}/deno.json ${main} "$@"\n`,
      { mode: 0o755 },
    );
    // redis-cli shows types at a terminal only, or if told so.
    const env = {
      ...Object.fromEntries(
        Object.entries(Deno.env.toObject()).filter(([name]) => CACHE_VARIABLE.test(name)),
      ),
      NO_COLOR: "1",
      FAKETTY: "1",
      npm_config_offline: "true",
    };

    await using daemon = new Shell(START, { cwd: sources, env: { ...env, PATH: nodeOnly } });
    await daemon.lineLike(/msg=Ready/);
    for (const block of blocks.filter(isDialogue)) {
      await using shell = new Shell("/bin/bash", { cwd: sources, env: { ...env, PATH: quartet } });
      await runBlock(block, shell, daemon);
    }
    const page = await fetch("http://127.0.0.1:8084");
    assert.equal(page.status, 200);
    await page.body?.cancel();
  },
});
