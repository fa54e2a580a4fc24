import { RecordGenerator } from "../../../lib/mesh/records/generator.ts";
import { within } from "../../support/within.ts";

const MAIN = new URL("../../../main.ts", import.meta.url).pathname;
/** Long enough for a machine that is busy with all other tests. */
const END_MS = 60_000;

/** Ports of this machine that were free a moment ago. */
export function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => (
    Deno.listen({ hostname: "127.0.0.1", port: 0 })
  ));
  const ports = listeners.map((listener) => listener.addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** Records as gensort writes them. */
export function generated(
  count: number,
  options: { first?: number; skew?: boolean; ascii?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const records = new Uint8Array(count * 100);
  new RecordGenerator(options).fill(records);
  return records;
}

/** `quartet` as a process that is gone when it goes out of scope. */
export class QuartetProcess implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #ended: Promise<{ code: number; stdout: string; stderr: string }>;

  constructor(args: string[], options: { command?: string; prefix?: string[] } = {}) {
    const command = [
      ...(options.prefix ?? []),
      Deno.execPath(),
      "run",
      "--frozen",
      "--allow-all",
      MAIN,
      ...args,
    ];
    this.child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    this.#ended = Promise.all([
      this.child.status,
      new Response(this.child.stdout).text(),
      new Response(this.child.stderr).text(),
    ]).then(([{ code }, stdout, stderr]) => ({ code, stdout, stderr }));
  }

  /** What it came to. */
  ended(ms = END_MS): Promise<{ code: number; stdout: string; stderr: string }> {
    return within(ms, "the end of the process", this.#ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#ended;
  }
}

/** A directory with the inputs and outputs of a mesh. */
export class MeshFiles implements AsyncDisposable {
  readonly directory: string;
  readonly addresses: string[];

  private constructor(directory: string, ports: number[]) {
    this.directory = directory;
    this.addresses = ports.map((port) => `127.0.0.1:${port}`);
  }

  /** Writes the inputs; one for each node. */
  static async create(inputs: Uint8Array[]): Promise<MeshFiles> {
    const directory = await Deno.makeTempDir({ prefix: "quartet-mesh-" });
    const files = new MeshFiles(directory, freePorts(inputs.length));
    await Promise.all(inputs.map((input, node) => Deno.writeFile(files.input(node), input)));
    return files;
  }

  input(node: number): string {
    return `${this.directory}/in-${node}`;
  }

  output(node: number): string {
    return `${this.directory}/out-${node}`;
  }

  /** The words that make a process one of the nodes. */
  words(node: number, ...more: string[]): string[] {
    const nodes = this.addresses.length > 1
      ? ["--node", String(node), "--nodes", this.addresses.join(",")]
      : [];
    const memory = more.includes("--memory") ? [] : ["--memory", "64MiB"];
    return ["sort", ...nodes, ...memory, ...more, this.input(node), this.output(node)];
  }

  /** All outputs in the order of the nodes. */
  async outputs(): Promise<Uint8Array[]> {
    return await Promise.all(this.addresses.map((_, node) => Deno.readFile(this.output(node))));
  }

  /** What else is in the directory. */
  async leftovers(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(this.directory)) {
      if (!/^(in|out)-\d+$/.test(name)) names.push(name);
    }
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Everything in one piece. */
export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The records of all inputs, sorted stably the obvious way. */
export function sortedRecords(
  inputs: Uint8Array[],
  { recordBytes = 100, keyStart = 0, keyEnd = 10 } = {},
): Uint8Array<ArrayBuffer> {
  const all = joined(inputs);
  const records = Array.from({ length: all.length / recordBytes }, (_, i) => (
    all.subarray(i * recordBytes, (i + 1) * recordBytes)
  ));
  const key = (record: Uint8Array) => record.subarray(keyStart, keyEnd);
  return joined(records.sort((a, b) => compare(key(a), key(b))));
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
