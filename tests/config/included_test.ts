import assert from "node:assert/strict";
import { ConfigError, loadConfig } from "../../lib/config/load.ts";
import { SERVICES } from "../../lib/services.ts";

/** Loads /etc/q.toml among these files, by path. */
function load(files: Record<string, string>) {
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(path), { code: "ENOENT" });
    return text;
  };
  const listFiles = (directory: string) => {
    const inside = Object.keys(files).filter((path) => path.startsWith(`${directory}/`));
    if (inside.length === 0) throw Object.assign(new Error(directory), { code: "ENOENT" });
    return inside.map((path) => path.slice(directory.length + 1)).reverse();
  };
  const source = { file: "/etc/q.toml", text: files["/etc/q.toml"]!, readFile, listFiles };
  return loadConfig({ ...source, env: (name) => name }, SERVICES);
}

function faults(files: Record<string, string>): readonly string[] {
  try {
    load(files);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

const INCLUDE = 'include = ["conf.d/*.toml", "last.toml"]\n';

Deno.test("include joins the tables of other files, sorted by name", () => {
  const { effective, included } = load({
    "/etc/q.toml": `${INCLUDE}[task]\nmax_jobs = 5\n[[task.schedule]]\nname = "a"\nevery = "1h"\n`,
    "/etc/conf.d/20.toml": '[task.tubes.mail]\nmax_attempts = 3\n[log]\nlevel = "${error}"\n',
    "/etc/conf.d/10.toml": '[[task.schedule]]\nname = "b"\nevery = "2h"\n[task.tubes.sms]\n',
    "/etc/conf.d/.hidden.toml": "not TOML",
    "/etc/conf.d/notes.txt": "not TOML",
    "/etc/last.toml": "[kv]\nenabled = false\n",
  });
  const { task, kv, log, include } = effective as Record<string, Record<string, unknown>>;
  assert.equal(task!.max_jobs, 5);
  assert.deepEqual(Object.keys(task!.tubes as object), ["sms", "mail"]);
  assert.deepEqual((task!.schedule as { name: string }[]).map(({ name }) => name), ["a", "b"]);
  assert.equal(kv!.enabled, false);
  assert.equal(log!.level, "error");
  assert.equal(include, undefined);
  assert.deepEqual(included, [
    ...["/etc/conf.d", "/etc/conf.d/10.toml", "/etc/conf.d/20.toml", "/etc/last.toml"],
  ]);
});

Deno.test("include says in which file and line a fault is", () => {
  const files = (text: string, main = "[task]\nmax_jobs = 5\n") => ({
    "/etc/q.toml": INCLUDE + main,
    "/etc/conf.d/a.toml": text,
    "/etc/last.toml": "",
  });
  assert.deepEqual(faults(files("\n[ecko]\n")), [
    '/etc/conf.d/a.toml:2: ecko: unknown key, did you mean "echo"?',
  ]);
  assert.deepEqual(faults(files("[task]\nmax_memory = '1GiB'\n")), [
    "/etc/conf.d/a.toml:1: task: already defined in /etc/q.toml:2",
  ]);
  assert.deepEqual(faults(files("task.max_jobs = 6\n")), [
    "/etc/conf.d/a.toml:1: task.max_jobs: already defined in /etc/q.toml:3",
  ]);
  assert.match(faults(files("[task\n"))[0]!, /^\/etc\/conf\.d\/a\.toml:\d+:\d+: not TOML: /);
  const schedule = '[[task.schedule]]\nname = "a"\nevery = "1h"\n';
  const wrong = '[[task.schedule]]\nname = "b"\nevery = "soon"\n';
  assert.match(
    faults(files(wrong, schedule))[0]!,
    /^\/etc\/conf\.d\/a\.toml:3: task\.schedule\.1\.every: found "soon"/,
  );
  assert.deepEqual(faults(files('include = ["b.toml"]\n')), [
    "/etc/conf.d/a.toml:1: include: a file that is included cannot include others",
  ]);
});

Deno.test("include says what is wrong with itself", () => {
  const [missing] = faults({ "/etc/q.toml": 'include = ["a.toml"]\n' });
  assert.equal(
    missing,
    '/etc/q.toml:1: include: cannot read "/etc/a.toml": no such file or directory',
  );
  assert.deepEqual(
    faults({ "/etc/q.toml": 'include = ["conf.d/*.toml"]\n', "/etc/conf.d/README": "" }),
    [],
  );
  // A slip in the name must not leave out the tokens without a word.
  assert.deepEqual(faults({ "/etc/q.toml": 'include = ["none/*.toml"]\n' }), [
    '/etc/q.toml:1: include: cannot read the directory "/etc/none": no such file or directory',
  ]);
  for (const include of ['"conf.d/*.toml"', '["*/a.toml"]', "[1]", '[""]']) {
    const [fault] = faults({ "/etc/q.toml": `[log]\n`.replace("[", `include = ${include}\n[`) });
    assert.match(fault!, /^\/etc\/q\.toml:1: include: found .*, allowed is a list of file names/);
  }
  const many = Object.fromEntries(
    Array.from({ length: 1001 }, (_, n) => [`/etc/conf.d/${n}.toml`, ""]),
  );
  assert.deepEqual(faults({ "/etc/q.toml": INCLUDE, "/etc/last.toml": "", ...many }), [
    "/etc/q.toml:1: include: more than 1000 files match",
  ]);
});
