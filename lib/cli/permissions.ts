import { resolve } from "node:path";
import type { Config } from "../config/schema.ts";
import type { TlsKeys } from "../config/service_keys.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { SERVICES } from "../services.ts";
import { parseStorageUrl } from "../storage/url.ts";
import { type Command, CommandError, EXIT } from "./command.ts";
import { CONFIG_OPTIONS, DEFAULT_CONFIG_FILE, readConfig } from "./config_file.ts";
import { print, printError } from "./terminal.ts";

/** Printed by an executable, after the flags. */
const EXECUTABLE_ADVICE =
  `These flags have no effect on this executable: its permissions were fixed when it was compiled.
To have Deno enforce them, run the bundle instead:
  deno run $(deno run -A quartet.js permissions) quartet.js serve
To restrict the executable, let the system do it, as deploy/quartet.service does.`;

/** `quartet permissions`: the fewest permissions that a configuration needs. */
export const permissions: Command = {
  name: "permissions",
  summary: "Prints the fewest permissions that a configuration needs, as Deno flags",
  usage: "[--config FILE] [--set KEY=VALUE]…",
  positionals: [0, 0],
  options: CONFIG_OPTIONS,
  details: `deno run $(quartet permissions) main.ts serve

Flags that contain blanks are quoted for a shell; a script has to use eval.
An executable's permissions are fixed when it is compiled: there the flags are for information.`,
  run: (args) => {
    const file = args.text("config");
    const variables = new Set<string>();
    const env = (name: string) => {
      variables.add(name);
      return Deno.env.get(name);
    };
    const { config, included } = readConfig(file, args.texts("set"), env);
    const flags = permissionFlags(config, {
      files: [file ?? DEFAULT_CONFIG_FILE, ...included],
      variables,
    });
    print(flags.join(" "));
    if (Deno.build.standalone) printError(EXECUTABLE_ADVICE);
    return Promise.resolve(EXIT.OK);
  },
};

/**
 * The Deno flags that grant what a configuration needs and nothing else.
 *
 * @param config The configuration.
 * @param source The files it was read from and the environment variables that were read with it; the
 * daemon reads all of them again on SIGHUP.
 * @throws {CommandError} If a path contains a comma, which Deno's flags cannot express.
 */
export function permissionFlags(
  config: Config,
  source: { files: readonly string[]; variables: ReadonlySet<string> },
): string[] {
  const dataDir = resolve(config.daemon.data_dir);
  const net = new Set<string>();
  const reads = new Set([...source.files, dataDir].map((path) => resolve(path)));
  const writes = new Set([dataDir]);
  const env = new Set(["NOTIFY_SOCKET", "WATCHDOG_USEC", ...source.variables]);

  const sys = new Set<string>();

  const use = (address: Address) => {
    net.add(netWord(address));
    if (address.transport === "unix") {
      [reads, writes].forEach((set) => set.add(resolve(address.path)));
    }
  };
  for (const service of SERVICES) {
    const section = config.services[service.name];
    if (!section?.enabled) continue;
    const needs = service.needs?.(section) ?? {};
    for (const address of [...service.addresses(section), ...needs.connects ?? []]) use(address);
    for (const word of needs.sys ?? []) sys.add(word);
    for (const url of needs.storages ?? []) addStorage(url ?? config.storage.url);
    for (const path of [...needs.reads ?? [], ...needs.writes ?? []]) reads.add(resolve(path));
    for (const path of needs.writes ?? []) writes.add(resolve(path));
    const { tls } = section as { tls?: TlsKeys };
    if (tls !== undefined) {
      for (const path of [tls.cert, tls.key, tls.client_ca ?? []].flat()) reads.add(resolve(path));
    }
  }
  for (const server of config.bus.servers) net.add(server);
  const { tls } = config.bus;
  for (const path of [tls?.ca, tls?.cert, tls?.key]) {
    if (path !== undefined) reads.add(resolve(path));
  }
  for (const path of config.tokenFiles) reads.add(resolve(path));

  function addStorage(url: string): void {
    const storage = parseStorageUrl(url, dataDir);
    if (storage.kind === "postgres") {
      const { hostname, port, username } = new URL(storage.url);
      net.add(`${hostname || "localhost"}:${port || 5432}`);
      POSTGRES_ENV.forEach((name) => env.add(name));
      if (username === "") USER_ENV.forEach((name) => env.add(name));
    } else if (storage.kind === "sqlite") {
      sys.add("statfs");
      for (const path of SQLITE_FILES.map((end) => storage.path + end)) {
        if (!path.startsWith(dataDir + "/")) [reads, writes].forEach((set) => set.add(path));
      }
    }
  }

  return [
    flag("allow-net", net),
    flag("allow-read", reads),
    flag("allow-write", writes),
    flag("allow-env", env),
    flag("allow-sys", sys),
  ].flat();
}

/**
 * Suffixes of the database, of the files SQLite keeps beside it while open, of ours, and of those
 * that take part in the conversion of a file of the previous version.
 */
const SQLITE_FILES = [
  ...["", "-wal", "-shm", "-journal", ".lock", ".reserve", ".v1"],
  ...[".converting", ".converting-wal", ".converting-shm", ".converting-journal"],
];

/** The environment variables that the PostgreSQL client always reads (postgres 3.4.9). */
const POSTGRES_ENV = [
  ...["PGHOST", "PGPORT", "PGUSER", "PGUSERNAME", "PGDATABASE", "PGPASSWORD", "PGAPPNAME"],
  ...["PGSSL", "PGSSLNEGOTIATION", "PGTARGETSESSIONATTRS", "PGTARGET_SESSION_ATTRS"],
  ...["PGIDLE_TIMEOUT", "PGKEEP_ALIVE", "PGMAX_PIPELINE"],
  ...["PGPREPARE", "PGDEBUG", "PGPUBLICATIONS"],
];

/** The variables it reads when the URL names no user. */
const USER_ENV = ["USERNAME", "USER", "LOGNAME"];

function netWord(address: Address): string {
  if (address.transport === "unix") return `unix:${resolve(address.path)}`;
  // Port 0 stands for any free port; only a bare host grants all ports.
  if (address.port === 0) return formatAddress({ ...address, port: 1 }).replace(/:1$/, "");
  return formatAddress(address);
}

function flag(name: string, words: ReadonlySet<string>): string[] {
  if (words.size === 0) return [];
  const unnameable = [...words].find((word) => word.includes(","));
  if (unnameable !== undefined) {
    throw new CommandError(
      `Cannot allow "${unnameable}": Deno's flags use the comma as a separator`,
    );
  }
  const text = `--${name}=${[...words].sort().join(",")}`;
  return [/^[\w./:,=@[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`];
}
