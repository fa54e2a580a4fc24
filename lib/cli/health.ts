import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { deadline } from "@std/async/deadline";
import type { AdminConfig } from "../admin/config.ts";
import { type Address, formatAddress, parseAddress } from "../net/address.ts";
import type { TlsTrust } from "../net/connect.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import { CA_OPTION, IDENTITY_OPTIONS, identityOption, readText } from "./server_options.ts";
import { print } from "./terminal.ts";

/** How long the daemon may take to reply. */
const ANSWER_MAX_MS = 5000;

/** The maximum size of a reply. */
const ANSWER_MAX_BYTES = 64 * 1024;

/** `quartet health`: asks a running daemon whether it is alive or ready, for process supervisors. */
export const health: Command = {
  name: "health",
  summary: "Asks a running daemon whether it is alive",
  usage: "[--ready] [--address HOST:PORT [--tls]] [--ca FILE] [--config FILE] [--set KEY=VALUE]…",
  positionals: [0, 0],
  options: [
    { name: "ready", help: "asks whether it is ready for work; if not, prints why" },
    {
      name: "address",
      value: "HOST:PORT",
      help: "address of its admin service (default: the one in the configuration)",
    },
    { name: "tls", help: "speaks TLS to --address" },
    CA_OPTION,
    { name: "insecure", help: "accepts any certificate" },
    ...IDENTITY_OPTIONS,
    ...CONFIG_OPTIONS,
  ],
  details: `Exits with 0 if so, and with 1 if not or if there is no reply within ${
    ANSWER_MAX_MS / 1000
  } s.
Over TLS, the certificate must name the host and be trusted: its issuer is known, or in --ca, or it is
the certificate in the configuration itself.`,
  run: async (args) => {
    const given = args.text("address");
    const identity = identityOption(args);
    const ca = args.text("ca");
    const caCerts = ca === undefined ? [] : [readText(ca)];
    const secure = args.flag("tls") || identity !== undefined || ca !== undefined;
    const { ownCerts = [], ...target } = given === undefined
      ? configured(args.text("config"), args.texts("set"))
      : { address: parse(given), secure };
    const address = reachable(target.address);
    const path = args.flag("ready") ? "/readyz" : "/healthz";
    const trust = args.flag("insecure") ? "any" : [...caCerts, ...ownCerts];
    const { status, body } = await ask({ ...target, address, identity, trust }, path);
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

/** The address in a configuration, and the certificate that the daemon there presents. */
function configured(
  file: string | undefined,
  overrides: readonly string[],
): Pick<Target, "address" | "secure"> & { ownCerts?: string[] } {
  const admin = readConfig(file, overrides).config.services["admin"] as AdminConfig;
  if (!admin.enabled) {
    throw new CommandError("Cannot ask the daemon: admin is disabled in its configuration");
  }
  const { listen: address, tls } = admin;
  if (tls === undefined) return { address, secure: false };
  return { address, secure: true, ownCerts: [readText(tls.cert)] };
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
  /** The trusted certificates (PEM) beside those that Deno trusts; "any" trusts every one. */
  trust: readonly string[] | "any";
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
    const { secure, trust, address } = target;
    const asked = secure && trust !== "any" && address.transport === "tcp"
      ? requestVerified({ ...target, trust }, path, over.signal)
      : request(target, path, over.signal);
    return await deadline(asked, ANSWER_MAX_MS);
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    const { code } = error as Error & { code?: string };
    const message = rootMessage(error as Error);
    const refused = code === "ECONNREFUSED" || code === "ENOENT" ||
      /Connection refused/.test(message);
    const fault = /invalid peer certificate: (.*?)(?:$|: client error)/.exec(message)?.[1];
    const why = refused
      ? "nothing listens there"
      : fault === undefined
      ? message
      : `its certificate is not accepted (${fault}): trust it with --ca, or use --insecure`;
    const reason = late ? `no reply within ${ANSWER_MAX_MS} ms` : why;
    throw new CommandError(`Cannot ask ${formatAddress(target.address)}: ${reason}`);
  } finally {
    over.abort();
  }
}

/** The message of the error behind an error; `fetch` hides it behind a general one. */
function rootMessage({ message, cause }: Error): string {
  return cause instanceof Error ? rootMessage(cause) : message;
}

/** Asks over TLS, and checks the certificate. `node:https` would not know the issuers of Deno. */
async function requestVerified(
  { address, identity, trust }: Target & { trust: readonly string[] },
  path: string,
  signal: AbortSignal,
): Promise<Answer> {
  using client = Deno.createHttpClient({ caCerts: [...trust], ...identity });
  const reply = await fetch(`https://${formatAddress(address)}${path}`, { client, signal });
  const decoder = new TextDecoder();
  let body = "";
  for await (const chunk of reply.body ?? []) {
    body += decoder.decode(chunk, { stream: true });
    if (body.length > ANSWER_MAX_BYTES) throw new Error("the reply does not end");
  }
  return { status: reply.status, body };
}

/** Asks over plain HTTP, or over TLS without checking the certificate. */
function request(
  { address, secure, identity }: Target,
  path: string,
  signal: AbortSignal,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const place = address.transport === "unix"
    ? { socketPath: address.path }
    : { host: address.hostname, port: address.port };
  // The empty list of issuers keeps the runtime from loading those of the system.
  const checks = { rejectUnauthorized: false, ca: [] };
  const options = { ...place, path, signal, agent: false, ...checks, ...identity } as const;
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
