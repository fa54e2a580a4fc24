/**
 * A client from outside the project: OpenBSD's `nc`, where it is installed.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Address } from "../../lib/net/address.ts";
import { startDaemon } from "../support/daemon.ts";
import { runProgram } from "../support/programs.ts";
import { signal } from "../support/signal.ts";
import { within } from "../support/within.ts";

const ignore = !/openbsd/i.test((await runProgram("nc", ["-h"]))?.text ?? "");

/** A running `nc` and its output. */
class Nc implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #printed = "";

  constructor(address: Address) {
    const where = address.transport === "tcp"
      ? [address.hostname, String(address.port)]
      : ["-U", address.path];
    this.#child = new Deno.Command("nc", {
      args: ["-N", ...where],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Writes to its standard input. */
  async type(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  /** Waits until its whole output is exactly this. */
  async prints(expected: string): Promise<void> {
    while (this.#printed.length < expected.length) {
      const what = `${JSON.stringify(expected)} after ${JSON.stringify(this.#printed)}`;
      const { value, done } = await within(60_000, what, this.#output.read());
      if (done) break;
      this.#printed += value;
    }
    assert.equal(this.#printed, expected);
  }

  /** Ends its input, waits until it exits, and returns its whole output. */
  async end(): Promise<string> {
    await this.#input.close();
    for (;;) {
      const { value, done } = await within(60_000, "the end of nc", this.#output.read());
      if (done) break;
      this.#printed += value;
    }
    assert.equal((await this.#child.status).code, 0);
    return this.#printed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signal(this.#child, "SIGKILL");
    await this.#input.close().catch(() => {});
    await this.#output.cancel();
    await this.#child.status;
  }
}

Deno.test({
  name: "nc: each client sees what the other types",
  ignore,
  fn: async () => {
    await using daemon = await startDaemon({
      config: '[log]\nlevel = "debug"\n[echo]\nlisten = "127.0.0.1:0"\n',
    });
    await using one = new Nc(daemon.address("echo"));
    await using two = new Nc(daemon.address("echo"));
    await daemon.loggedTimes('msg="Client connected"', 2);
    await one.type("hello\n");
    await one.prints("hello\n");
    await two.prints("hello\n");
    await two.type("hi there\n");
    await one.prints("hello\nhi there\n");
    await two.prints("hello\nhi there\n");
    assert.equal((await daemon.stop()).code, 0);
    assert.equal(await one.end(), "hello\nhi there\n");
  },
});

Deno.test({
  name: "nc: input without a final newline is echoed completely",
  ignore,
  fn: async () => {
    await using daemon = await startDaemon({ config: '[echo]\nlisten = "127.0.0.1:0"\n' });
    await using nc = new Nc(daemon.address("echo"));
    await nc.type("a\n\r\nb");
    assert.equal(await nc.end(), "a\n\r\nb\n");
  },
});

Deno.test({
  name: "nc: a unix socket works like a port, and its file is removed at the end",
  ignore,
  fn: async () => {
    await using daemon = await startDaemon({ config: '[echo]\nlisten = "unix:echo.sock"\n' });
    const path = `${daemon.directory}/echo.sock`;
    await using nc = new Nc({ transport: "unix", path });
    await nc.type("over a path\n");
    assert.equal(await nc.end(), "over a path\n");
    assert.equal((await daemon.stop()).code, 0);
    await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
  },
});
