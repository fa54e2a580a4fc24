import { deadline } from "@std/async/deadline";
import { formatAddress } from "../net/address.ts";
import {
  ADMIN_OPTIONS,
  type AdminReply,
  type AdminTarget,
  adminTarget,
  askAdmin,
  requestFailure,
} from "./admin_target.ts";
import { type Command, CommandError, EXIT } from "./command.ts";
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
    ...ADMIN_OPTIONS,
  ],
  details: `Exits with 0 if so, and with 1 if not or if there is no reply within ${
    ANSWER_MAX_MS / 1000
  } s.
Over TLS, the certificate must name the host and be trusted: its issuer is known, or in --ca, or it is
the certificate in the configuration itself.`,
  run: async (args) => {
    const target = adminTarget(args);
    const path = args.flag("ready") ? "/readyz" : "/healthz";
    const { status, body } = await ask(target, path);
    if (status === 200) {
      print(args.flag("ready") ? "ready" : "alive");
      return EXIT.OK;
    }
    throw new CommandError(
      `${formatAddress(target.address)}: ${reasons(body) ?? `HTTP ${status}`}`,
    );
  },
};

interface Answer {
  status: number;
  body: string;
}

async function ask(target: AdminTarget, path: string): Promise<Answer> {
  const over = new AbortController();
  try {
    const { signal } = over;
    const answer = askAdmin(target, { method: "GET", path, signal }).then(read);
    return await deadline(answer, ANSWER_MAX_MS);
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    const reason = late ? `no reply within ${ANSWER_MAX_MS} ms` : requestFailure(error);
    throw new CommandError(`Cannot ask ${formatAddress(target.address)}: ${reason}`);
  } finally {
    over.abort();
  }
}

async function read({ status, body }: AdminReply): Promise<Answer> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_MAX_BYTES) throw new Error("the reply does not end");
  }
  return { status, body: text };
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
