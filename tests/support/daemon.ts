import { type Address, parseAddress } from "../../lib/net/address.ts";
import { SERVICES } from "../../lib/services.ts";
import { type Program, sources } from "./quartet.ts";
import { within } from "./within.ts";

/** Options for {@linkcode startDaemon}. */
export interface DaemonOptions {
  /** The configuration; every service that it does not enable is off. */
  config?: string;
  /** More words of the command line. */
  args?: string[];
  /** More of the environment. */
  env?: Record<string, string>;
  /** How to start quartet. @default {sources()} */
  program?: Program;
  /** A file to be used instead of one with `config` in it. */
  configFile?: string;
}

/** The daemon as a process of its own, in a directory of its own. */
export class DaemonProcess implements AsyncDisposable {
  readonly directory: string;
  readonly configFile: string;
  readonly child: Deno.ChildProcess;
  /** Everything it has logged so far. */
  log = "";
  #status: Deno.CommandStatus | undefined;
  readonly #ended: Promise<void>;
  #logged = Promise.withResolvers<void>();

  constructor(child: Deno.ChildProcess, directory: string) {
    this.child = child;
    this.directory = directory;
    this.configFile = `${directory}/quartet.toml`;
    this.#ended = this.#follow();
  }

  /** Waits until the log matches; rejects with the log if the process ends before. */
  async logged(pattern: RegExp, ms = 20_000): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    await this.#logs(String(pattern), () => (match = pattern.exec(this.log)) !== null, ms);
    return match!;
  }

  /** Waits until a text stands in the log so many times. */
  async loggedTimes(text: string, times: number, ms = 20_000): Promise<void> {
    await this.#logs(`${times} times "${text}"`, () => this.log.split(text).length > times, ms);
  }

  async #logs(what: string, condition: () => boolean, ms: number): Promise<void> {
    while (!condition()) {
      if (this.#status !== undefined) throw new Error(`The daemon has ended:\n${this.log}`);
      await within(ms, `${what} in the log:\n${this.log}`, this.#logged.promise);
    }
  }

  /** Where a service listens; the last it said. */
  address(service: string): Address {
    const address = this.addresses(service).at(-1);
    if (address === undefined) throw new Error(`${service} does not listen:\n${this.log}`);
    return address;
  }

  /** All addresses at which a service has said that it listens, in that order. */
  addresses(service: string): Address[] {
    const pattern = new RegExp(`msg=Listening service=${service} address=(\\S+)`, "g");
    return [...this.log.matchAll(pattern)].map((match) => parseAddress(match[1]!));
  }

  /** Waits for its end. */
  async ended(ms = 20_000): Promise<Deno.CommandStatus> {
    await within(ms, `the end of the daemon:\n${this.log}`, this.#ended);
    return this.#status!;
  }

  /** Sends a signal, if it still runs. */
  signal(signal: Deno.Signal): void {
    if (this.#status !== undefined) return;
    try {
      this.child.kill(signal);
    } catch (error) {
      // The process has ended, but its status has not been read yet.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Asks it to stop and waits for its end. */
  async stop(): Promise<Deno.CommandStatus> {
    this.signal("SIGTERM");
    return await this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
    await Deno.remove(this.directory, { recursive: true });
    if (this.log.includes("Bug: ")) throw new Error(`The daemon found a bug:\n${this.log}`);
  }

  async #follow(): Promise<void> {
    const decoder = new TextDecoderStream();
    for await (const text of this.child.stderr.pipeThrough(decoder)) {
      this.log += text;
      this.#logged.resolve();
      this.#logged = Promise.withResolvers<void>();
    }
    this.#status = await this.child.status;
    this.#logged.resolve();
  }
}

/** Adds a section that switches it off for every service that a configuration does not name. */
export function withOthersOff(config: string): string {
  const off = SERVICES.filter(({ name }) => !config.includes(`[${name}]`));
  return [config, ...off.map(({ name }) => `[${name}]\nenabled = false\n`)].join("\n");
}

/** Starts `quartet serve` and does not wait for anything. */
export async function spawnDaemon(options: DaemonOptions = {}): Promise<DaemonProcess> {
  const directory = await Deno.makeTempDir({ prefix: "quartet-test-" });
  const config = options.config ?? "";
  await Deno.writeTextFile(`${directory}/quartet.toml`, withOthersOff(config));
  const { program = sources() } = options;
  const child = new Deno.Command(program.path, {
    args: [
      ...program.words,
      "serve",
      "--config",
      options.configFile ?? `${directory}/quartet.toml`,
      ...(options.args ?? []),
    ],
    cwd: directory,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  return new DaemonProcess(child, directory);
}

/** Starts `quartet serve` and waits until it is ready. */
export async function startDaemon(options: DaemonOptions = {}): Promise<DaemonProcess> {
  const daemon = await spawnDaemon(options);
  try {
    await daemon.logged(/msg=Ready/);
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
  return daemon;
}

/** The sections of a configuration that say where data are kept, which outlives the daemon. */
export function dataConfig(storage: string, directory: string): string {
  return `
    [daemon]
    data_dir = ${JSON.stringify(directory)}
    [storage]
    url = ${JSON.stringify(storage)}`;
}
