import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { deadline } from "@std/async/deadline";
import type { AdminConfig } from "../admin/config.ts";
import { type Address, formatAddress, parseAddress } from "../net/address.ts";
import type { TlsTrust } from "../net/connect.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import { IDENTITY_OPTIONS, identityOption } from "./server_options.ts";
import { print } from "./terminal.ts";

/** How long the daemon may take to reply. */
const ANSWER_MAX_MS = 5000;

/** The maximum size of a reply. */
const ANSWER_MAX_BYTES = 64 * 1024;

/** `quartet health`: asks a running daemon whether it is alive or ready, for process supervisors. */
export const health: Command = {
  name: "health",
  summary: "Asks a running daemon whether it is alive",
  usage: "[--ready] [--address HOST:PORT [--tls]] [--config FILE] [--set KEY=VALUE]…",
  positionals: [0, 0],
  options: [
    { name: "ready", help: "asks whether it is ready for work; if not, prints why" },
    {
      name: "address",
      value: "HOST:PORT",
      help: "address of its admin service (default: the one in the configuration)",
    },
    { name: "tls", help: "speaks TLS to --address" },
    ...IDENTITY_OPTIONS,
    ...CONFIG_OPTIONS,
  ],
  details: `Exits with 0 if so, and with 1 if not or if there is no reply within ${
    ANSWER_MAX_MS / 1000
  } s.`,
  run: async (args) => {
    const given = args.text("address");
    const identity = identityOption(args);
    const target = given === undefined
      ? configured(args.text("config"), args.texts("set"))
      : { address: parse(given), secure: args.flag("tls") || identity !== undefined };
    const address = reachable(target.address);
    const path = args.flag("ready") ? "/readyz" : "/healthz";
    const { status, body } = await ask({ ...target, address, identity }, path);
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

function configured(file: string | undefined, overrides: readonly string[]): Target {
  const admin = readConfig(file, overrides).config.services["admin"] as AdminConfig;
  if (!admin.enabled) {
    throw new CommandError("Cannot ask the daemon: admin is disabled in its configuration");
  }
  return { address: admin.listen, secure: admin.tls !== undefined };
}

/** Turns an address to listen on into one to connect to. */
function reachable(address: Address): Address {
  if (address.transport === "unix") return address;
  if (address.port === 0) {
    throw new UsageError(
      "the configuration says port 0, which is any port: name it with --address",
    );
  }
  if (address.hostname === "0.0.0.0") return { ...address, hostname: "127.0.0.1" };
  return address.hostname === "::" ? { ...address, hostname: "::1" } : address;
}

/** A daemon to ask. */
interface Target {
  address: Address;
  /** Whether it speaks TLS. */
  secure: boolean;
  /** The certificate to present, and its key. */
  identity?: TlsTrust["identity"];
}

interface Answer {
  status: number;
  body: string;
}

async function ask(target: Target, path: string): Promise<Answer> {
  const over = new AbortController();
  try {
    return await deadline(request(target, path, over.signal), ANSWER_MAX_MS);
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    const { code, message } = error as Error & { code?: string };
    const refused = code === "ECONNREFUSED" || code === "ENOENT";
    const why = refused ? "nothing listens there" : message;
    const reason = late ? `no reply within ${ANSWER_MAX_MS} ms` : why;
    throw new CommandError(`Cannot ask ${formatAddress(target.address)}: ${reason}`);
  } finally {
    over.abort();
  }
}

function request(
  { address, secure, identity }: Target,
  path: string,
  signal: AbortSignal,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const place = address.transport === "unix"
    ? { socketPath: address.path }
    : { host: address.hostname, port: address.port };
  // The request carries no secret, and the certificate may name a host that this command does not
  // know. The empty list of issuers keeps the runtime from loading those of the system.
  const trust = { rejectUnauthorized: false, ca: [] };
  const options = { ...place, path, signal, agent: false, ...trust, ...identity } as const;
  const sent = (secure ? httpsRequest : httpRequest)(options, (response) => {
    const decoder = new TextDecoder();
    let body = "";
    response.on("data", (chunk: Uint8Array) => {
      body += decoder.decode(chunk, { stream: true });
      if (body.length > ANSWER_MAX_BYTES) reject(new Error("the reply does not end"));
    });
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    response.on("error", reject);
  });
  sent.on("error", reject);
  sent.end();
  return promise;
}

/** Extracts the reasons from a reply of /readyz. */
function reasons(body: string): string | undefined {
  try {
    // A service with a token leaves the reasons out.
    const { state, reasons } = JSON.parse(body) as { state?: unknown; reasons?: unknown };
    if (typeof state !== "string") return undefined;
    return `not ready: ${Array.isArray(reasons) ? reasons.join("; ") : `its state is ${state}`}`;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
