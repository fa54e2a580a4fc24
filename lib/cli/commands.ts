import type { Command } from "./command.ts";

/**
 * Loads each command, in the order of the help. A command that runs loads nothing of the others: all
 * of them together are more than 700 modules, and `quartet sort` needs a quarter of these.
 */
const LOADERS = {
  serve: async () => (await import("./serve.ts")).serve,
  check: async () => (await import("./check.ts")).check,
  init: async () => (await import("./init.ts")).init,
  health: async () => (await import("./health.ts")).health,
  top: async () => (await import("./top.ts")).top,
  client: async () => (await import("./client.ts")).client,
  pub: async () => (await import("./pub.ts")).pub,
  sub: async () => (await import("./sub.ts")).sub,
  work: async () => (await import("./work.ts")).work,
  put: async () => (await import("./put.ts")).put,
  sort: async () => (await import("./sort.ts")).sort,
  settle: async () => (await import("./settle.ts")).settle,
  records: async () => (await import("./records.ts")).records,
  backup: async () => (await import("./backup.ts")).backup,
  restore: async () => (await import("./restore.ts")).restore,
  storage: async () => (await import("./storage.ts")).storage,
  token: async () => (await import("./token.ts")).token,
  schema: async () => (await import("./schema.ts")).schema,
  permissions: async () => (await import("./permissions.ts")).permissions,
  completions: async () => (await import("./completions.ts")).createCompletions(loadCommands),
} satisfies Record<string, () => Promise<Command>>;

/** The names of all commands, in the order of the help. */
export const COMMAND_NAMES: readonly string[] = Object.keys(LOADERS);

/** Loads a command; `undefined` if there is none of that name. */
export async function loadCommand(name: string): Promise<Command | undefined> {
  return Object.hasOwn(LOADERS, name) ? await LOADERS[name as keyof typeof LOADERS]() : undefined;
}

/** Loads all commands. */
export function loadCommands(): Promise<Command[]> {
  return Promise.all(Object.values(LOADERS).map((load) => load()));
}
