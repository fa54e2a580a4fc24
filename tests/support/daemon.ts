import { type Address, parseAddress } from "../../lib/net/address.ts";
import { SERVICES } from "../../lib/services.ts";
import { type Program, quartet } from "./quartet.ts";
import { signal } from "./signal.ts";
import { within } from "./within.ts";

/** How long to wait for the log, from the call on: also enough on a busy machine. */
const LOG_DEADLINE_MS = 60_000;

/** Options for {@linkcode startDaemon}. */
export interface DaemonOptions {
  /** The configuration. Services without a section are off. */
  config?: string;
  /** More command-line arguments. */
  args?: string[];
  /** More environment variables. */
  env?: Record<string, string>;
  /** How to start quartet. @default {quartet()} */
  program?: Program;
  /** A file to use instead of one that contains `config`. */
  configFile?: string;
}

/** A daemon in its own process and directory. */
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

  /** Waits until the log matches; rejects with the log if the process ends first. */
  async logged(pattern: RegExp, ms = LOG_DEADLINE_MS): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    await this.#logs(String(pattern), () => (match = pattern.exec(this.log)) !== null, ms);
    return match!;
  }

  /** Waits until the log contains a text at least `times` times. */
  async loggedTimes(text: string, times: number, ms = LOG_DEADLINE_MS): Promise<void> {
    await this.#logs(`${times} times "${text}"`, () => this.log.split(text).length > times, ms);
  }

  /** Waits until a condition on the log is true. A daemon that logs on and on gets no more time. */
  async #logs(what: string, condition: () => boolean, ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (!condition()) {
      if (this.#status !== undefined) throw new Error(`The daemon has ended:\n${this.log}`);
      const leftMs = Math.max(0, endMs - performance.now());
      await within(
        leftMs,
        `${what} within ${ms} ms in the log:\n${this.log}`,
        this.#logged.promise,
      );
    }
  }

  /** The address that a service listens on, according to its last line in the log. */
  address(service: string): Address {
    const address = this.addresses(service).at(-1);
    if (address === undefined) throw new Error(`${service} does not listen:\n${this.log}`);
    return address;
  }

  /** All addresses that a service has logged, in order. */
  addresses(service: string): Address[] {
    const pattern = new RegExp(`msg=Listening service=${service} address=(\\S+)`, "g");
    return [...this.log.matchAll(pattern)].map((match) => parseAddress(match[1]!));
  }

  /** Waits until it has ended. */
  async ended(ms = 60_000): Promise<Deno.CommandStatus> {
    await within(ms, `the end of the daemon:\n${this.log}`, this.#ended);
    return this.#status!;
  }

  /** Sends a signal, if it still runs. */
  signal(name: Deno.Signal): void {
    if (this.#status !== undefined) return;
    signal(this.child, name);
  }

  /** Asks it to stop and waits until it has ended. */
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

/** Adds a section that disables each service that a configuration does not mention. */
export function withOthersOff(config: string): string {
  const off = SERVICES.filter(({ name }) => !config.includes(`[${name}]`));
  return [config, ...off.map(({ name }) => `[${name}]\nenabled = false\n`)].join("\n");
}

/** Starts `quartet serve` without waiting for it to be ready. */
export async function spawnDaemon(options: DaemonOptions = {}): Promise<DaemonProcess> {
  const directory = await Deno.makeTempDir({ prefix: "quartet-test-" });
  const config = options.config ?? "";
  await Deno.writeTextFile(`${directory}/quartet.toml`, withOthersOff(config));
  const { program = quartet() } = options;
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
    await daemon.logged(/msg=Ready/, 60_000);
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
  return daemon;
}

/** Configuration sections that keep data in a storage and directory which outlive the daemon. */
export function dataConfig(storage: string, directory: string): string {
  return `
    [daemon]
    data_dir = ${JSON.stringify(directory)}
    [storage]
    url = ${JSON.stringify(storage)}`;
}
