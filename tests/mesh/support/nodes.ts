import { Buffer } from "node:buffer";
import { RecordGenerator } from "../../../lib/mesh/records/generator.ts";
import type { InputFile } from "../../../lib/mesh/sort/sort_messages.ts";
import type { Address } from "../../../lib/net/address.ts";
import { TestClient } from "../../support/client.ts";
import { freePorts } from "../../support/ports.ts";

/** Nodes wait for each other about as long as a test waits for them, unless it is about that. */
const PATIENCE = { "--dial-timeout": "170s", "--stall-timeout": "120s" };

/** Whether something listens on an address. */
export async function isListening(address: Address): Promise<boolean> {
  try {
    using _ = await TestClient.connect(address);
    return true;
  } catch {
    return false;
  }
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

/** A temporary directory with the inputs and outputs of all nodes. */
export class MeshFiles implements AsyncDisposable {
  readonly directory: string;
  readonly addresses: string[];

  private constructor(directory: string, ports: number[]) {
    this.directory = directory;
    this.addresses = ports.map((port) => `127.0.0.1:${port}`);
  }

  /** Writes the inputs, one for each node. */
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

  /** The command line of a node. */
  words(node: number, ...more: string[]): string[] {
    const nodes = this.addresses.length > 1
      ? ["--node", String(node), "--nodes", this.addresses.join(",")]
      : [];
    // A second thread takes a third of a second of a processor to start.
    const defaults = Object.entries({ "--memory": "64MiB", "--threads": "1", ...PATIENCE });
    const rest = defaults.filter(([name]) => !more.includes(name)).flat();
    return ["sort", ...nodes, ...rest, ...more, this.input(node), this.output(node)];
  }

  /** All outputs, in the order of the nodes. */
  async outputs(): Promise<Uint8Array[]> {
    return await Promise.all(this.addresses.map((_, node) => Deno.readFile(this.output(node))));
  }

  /** The names of all other files in the directory. */
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

/** An input that is one file without a header. */
export function wholeFile(path: string, size: number): InputFile {
  return { name: path, path, size, start: 0, base: 0 };
}

/** Concatenates arrays. */
export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The records of all inputs, sorted stably in the obvious way. */
export function sortedRecords(
  inputs: Uint8Array[],
  { recordBytes = 100, keyStart = 0, keyEnd = 10 } = {},
): Uint8Array<ArrayBuffer> {
  const all = joined(inputs);
  const key = (i: number) => all.subarray(i * recordBytes + keyStart, i * recordBytes + keyEnd);
  const order = Uint32Array.from({ length: all.length / recordBytes }, (_, i) => i);
  // Numbers are compared far faster than bytes, and the first ones of two keys are rarely equal.
  const prefixes = Float64Array.from(order, (i) => prefixOf(key(i)));
  order.sort((a, b) => (
    prefixes[a]! - prefixes[b]! || Buffer.compare(key(a), key(b)) || a - b
  ));
  const result = new Uint8Array(all.length);
  for (const [to, i] of order.entries()) {
    result.set(all.subarray(i * recordBytes, (i + 1) * recordBytes), to * recordBytes);
  }
  return result;
}

/** The first six bytes of a key as a number, exact in a double. */
function prefixOf(key: Uint8Array): number {
  let prefix = 0;
  for (let i = 0; i < 6; i++) prefix = prefix * 256 + (key[i] ?? 0);
  return prefix;
}
