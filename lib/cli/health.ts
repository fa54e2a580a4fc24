import { deadline } from "@std/async/deadline";
import type { AdminConfig } from "../admin/config.ts";
import { type Address, formatAddress, parseAddress } from "../net/address.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import { print } from "./terminal.ts";

/** How long the daemon may take to answer. */
const ANSWER_MAX_MS = 5000;

/** The longest answer that is read. */
const ANSWER_MAX_BYTES = 64 * 1024;

/** `quartet health`: asks a running daemon how it is, for those who watch over it. */
export const health: Command = {
  name: "health",
  summary: "Asks the running daemon whether it is alive",
  usage: "[--ready] [--address HOST:PORT] [--config FILE] [--set KEY=VALUE]…",
  positionals: [0, 0],
  options: [
    { name: "ready", help: "asks whether it is ready for work, and if not why" },
    {
      name: "address",
      value: "HOST:PORT",
      help: "where its admin service listens, if not where the configuration says",
    },
    ...CONFIG_OPTIONS,
  ],
  details: `Exits with 0 if it is, with 1 if it is not or does not answer within ${
    ANSWER_MAX_MS / 1000
  } s.`,
  run: async (args) => {
    const address = reachable(
      args.text("address") === undefined
        ? configured(args.text("config"), args.texts("set"))
        : parse(args.text("address")!),
    );
    const path = args.flag("ready") ? "/readyz" : "/healthz";
    const { status, body } = await ask(address, path);
    if (status === 200) {
      print(args.flag("ready") ? "ready" : "alive");
      return EXIT.OK;
    }
    throw new CommandError(`${formatAddress(address)}: ${reasons(body) ?? `HTTP ${status}`}`);
  },
};

function parse(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(error.message);
  }
}

function configured(file: string | undefined, overrides: readonly string[]): Address {
  const admin = readConfig(file, overrides).config.services["admin"] as AdminConfig;
  if (!admin.enabled) {
    throw new CommandError("Cannot ask the daemon: its configuration switches admin off");
  }
  return admin.listen;
}

/** Where to go for an address that was made to listen on. */
function reachable(address: Address): Address {
  if (address.transport === "unix") return address;
  if (address.port === 0) {
    throw new UsageError("port 0 stands for any port: name it with --address");
  }
  if (address.hostname === "0.0.0.0") return { ...address, hostname: "127.0.0.1" };
  return address.hostname === "::" ? { ...address, hostname: "::1" } : address;
}

/** One request in HTTP/1.0, which ends with the connection; over a unix socket too. */
async function ask(address: Address, path: string): Promise<{ status: number; body: string }> {
  const limit = new AbortController();
  try {
    const reply = await deadline(request(address, path, limit.signal), ANSWER_MAX_MS);
    const [, status, body] = /^HTTP\/1\.\d (\d{3})[^]*?\r\n\r\n([^]*)$/.exec(reply) ?? [];
    if (status === undefined) throw new Error("this is no HTTP server");
    return { status: Number(status), body: body! };
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    const reason = late ? `no answer within ${ANSWER_MAX_MS} ms` : (error as Error).message;
    throw new CommandError(`Cannot ask ${formatAddress(address)}: ${reason}`);
  } finally {
    limit.abort();
  }
}

async function request(address: Address, path: string, signal: AbortSignal): Promise<string> {
  using conn = address.transport === "unix"
    ? await Deno.connect({ transport: "unix", path: address.path })
    : await Deno.connect({ hostname: address.hostname, port: address.port, signal });
  const host = address.transport === "unix" ? "localhost" : formatAddress(address);
  const bytes = new TextEncoder().encode(`GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  const close = () => conn.close();
  signal.addEventListener("abort", close);
  try {
    for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
    const decoder = new TextDecoder();
    const chunk = new Uint8Array(4096);
    let reply = "";
    for (;;) {
      const count = await conn.read(chunk);
      if (count === null || reply.length > ANSWER_MAX_BYTES) return reply;
      reply += decoder.decode(chunk.subarray(0, count), { stream: true });
    }
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/** The reasons in an answer of /readyz. */
function reasons(body: string): string | undefined {
  try {
    const { reasons } = JSON.parse(body) as { reasons?: unknown };
    return Array.isArray(reasons) ? `not ready: ${reasons.join("; ")}` : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
