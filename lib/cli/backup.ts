import { formatAddress } from "../net/address.ts";
import {
  ADMIN_OPTIONS,
  type AdminReply,
  adminTarget,
  askAdmin,
  requestFailure,
} from "./admin_target.ts";
import { BackupProgress } from "./backup_progress.ts";
import { backupOutput } from "./backup_output.ts";
import { type Command, CommandError, EXIT } from "./command.ts";
import { TOKEN_OPTION, tokenOption } from "./server_options.ts";
import { printError } from "./terminal.ts";

/** How long the daemon may be silent. */
const SILENCE_MAX_MS = 60_000;

/** The maximum size of a refusal. */
const REFUSAL_MAX_BYTES = 4096;

/** `quartet backup`: saves the data of a running daemon. */
export const backup: Command = {
  name: "backup",
  summary: "Saves the data of a running daemon into a file",
  usage:
    "FILE|- [--address HOST:PORT [--tls]] [--token-file FILE] [--config FILE] [--set KEY=VALUE]…",
  positionals: [1, 1],
  options: [
    ...ADMIN_OPTIONS,
    TOKEN_OPTION,
  ],
  details:
    `Asks the daemon's admin service for everything that kv and task keep, while clients go on using
them. With "-" the backup goes to standard output. An existing file is not overwritten, and a file
gets its name only when it is complete.

Data in one SQLite file, or in one database, are of one moment. Data in "memory:" are not: each key
and each job is as it was when it was read.

"quartet restore" puts a backup into SQLite files or into PostgreSQL.`,
  run: async (args) => {
    const [path] = args.positionals;
    const target = adminTarget(args);
    const token = tokenOption(args);
    const where = formatAddress(target.address);
    await using output = await backupOutput(path!);
    const progress = new BackupProgress();
    const over = new AbortController();
    let timer = setTimeout(() => over.abort(), SILENCE_MAX_MS);
    try {
      const reply = await askAdmin(target, {
        method: "POST",
        path: "/backup",
        headers: {
          // The service accepts changes only from its own page, or with a token.
          "sec-fetch-site": "same-origin",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        signal: over.signal,
      }).catch((error) => {
        throw new CommandError(`Cannot ask ${where}: ${requestFailure(error)}`);
      });
      if (reply.status !== 200) throw await refusal(reply, where, token !== undefined);
      for await (const chunk of received(reply.body, where, over.signal)) {
        clearTimeout(timer);
        timer = setTimeout(() => over.abort(), SILENCE_MAX_MS);
        const failure = progress.add(chunk);
        if (failure !== undefined) throw new CommandError(`The backup failed: ${failure}`);
        await output.write(chunk);
      }
      if (!progress.complete) {
        throw new CommandError(`${where} ended the backup before it was complete`);
      }
      await output.finish();
    } finally {
      clearTimeout(timer);
      progress.stop();
      over.abort();
    }
    printError(`Saved ${progress.services.join(" and ")}: ${progress.bytes} bytes`);
    return EXIT.OK;
  },
};

/** The chunks of a backup; an early end is an error for people. */
async function* received(
  body: AsyncIterable<Uint8Array>,
  where: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await chunks.next();
    } catch {
      const silent = signal.aborted ? `sent nothing for ${SILENCE_MAX_MS / 1000} s` : undefined;
      throw new CommandError(`${where} ${silent ?? "ended the backup before it was complete"}`);
    }
    if (next.done) return;
    yield next.value;
  }
}

async function refusal(
  { status, body }: AdminReply,
  where: string,
  hasToken: boolean,
): Promise<CommandError> {
  if (status === 401) {
    return new CommandError(
      hasToken
        ? `${where} does not accept the token`
        : `${where} requires a token: name a file with --token-file, or set QUARTET_TOKEN`,
    );
  }
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of body) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > REFUSAL_MAX_BYTES) break;
    }
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === "string") return new CommandError(`${where} refused: ${error}`);
  } catch {
    // The status says enough.
  }
  return new CommandError(`${where} refused: HTTP ${status}`);
}
