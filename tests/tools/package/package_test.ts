import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { SERVICES } from "../../../lib/services.ts";
import { loadConfig } from "../../../lib/config/load.ts";
import { buildPackages } from "../../../tools/package/main.ts";
import { replaced } from "../../../tools/package/contents.ts";
import { isInstalled, runProgram } from "../../support/programs.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

/** The headers of programs that do not run: for Linux on x64, and for macOS on arm64. */
const LINUX = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0];
const MACOS = [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const DATE = new Date("2030-04-05T12:00:00Z");
const DEB = "quartet_0.1.0-1_amd64.deb";
const TARS = ["quartet-0.1.0-linux-amd64.tar.gz", "quartet-0.1.0-macos-arm64.tar.gz"];

/** Runs a program that has to succeed, and returns its output. */
async function run(program: string, ...args: string[]): Promise<string> {
  const result = await runProgram(program, args);
  assert.ok(result?.success, `${program}: ${result?.text}`);
  return result.text;
}

/** Builds the packages of two platforms. */
async function build(directory: string, mode: number): Promise<string> {
  const binaries = [[`${directory}/linux`, LINUX], [`${directory}/macos`, MACOS]] as const;
  for (const [file, header] of binaries) {
    await Deno.writeFile(file, new Uint8Array(header));
    await Deno.chmod(file, mode);
  }
  const output = `${directory}/out`;
  const names = await buildPackages({
    binaries: binaries.map(([file]) => file),
    output,
    date: DATE,
    maintainer: "Somebody <somebody@example.com>",
  });
  assert.deepEqual(names, [DEB, ...TARS, "SHA256SUMS"]);
  return output;
}

/** One line of a listing by tar: mode, owner, path. */
function entries(listing: string): string[] {
  return listing.trimEnd().split("\n").map((line) => {
    const [mode, owner, , day, , path] = line.split(/\s+/);
    assert.equal(day, "2030-04-05", line);
    return `${mode} ${owner} ${path}`;
  });
}

/** Makes an empty root for dpkg; returns a function that runs it there. */
async function emptyRoot(root: string) {
  for (const folder of ["info", "updates"]) {
    await Deno.mkdir(`${root}/var/lib/dpkg/${folder}`, { recursive: true });
  }
  await Deno.mkdir(`${root}/etc`);
  await Deno.writeTextFile(`${root}/var/lib/dpkg/status`, "");
  const options = [`--root=${root}`, "--force-script-chrootless", "--force-depends"];
  return (...words: string[]) =>
    run("dpkg", ...options, "--force-confold", `--log=${root}/dpkg.log`, ...words);
}

const hasDpkg = await isInstalled("dpkg-deb");
const canInstall = Deno.uid() === 0 && await isInstalled("systemd-sysusers") &&
  await isInstalled("deb-systemd-helper");

Deno.test({
  name: "package: a .deb and archives",
  ignore: !hasDpkg,
  fn: async (t) => {
    await using first = await makeTempDirectory();
    const output = await build(first.path, 0o755);
    await t.step("are the same for the same inputs, with everything in its place", async () => {
      await using second = await makeTempDirectory();
      await checkListings(output, await build(second.path, 0o600));
    });
    await t.step("with a valid configuration and unit", () => checkFiles(`${output}/${DEB}`));
    await t.step({
      name: "which dpkg installs; an upgrade keeps the configuration, purge removes everything",
      ignore: !canInstall,
      fn: () => checkInstallation(`${output}/${DEB}`),
    });
  },
});

async function checkListings(output: string, again: string): Promise<void> {
  // Neither the time of building nor the modes of the inputs matter.
  const sums = await Deno.readTextFile(`${output}/SHA256SUMS`);
  assert.equal(await Deno.readTextFile(`${again}/SHA256SUMS`), sums);
  await run("sh", "-c", `cd ${output} && sha256sum --check --strict SHA256SUMS`);

  const listed = entries(await run("dpkg-deb", "--contents", `${output}/${DEB}`));
  for (const entry of listed) {
    assert.match(entry, /^(drwxr-xr-x|-rw[x-]r-[x-]r-[x-]) root\/root /);
  }
  for (
    const path of [
      "-rwxr-xr-x root/root ./usr/bin/quartet",
      "-rw-r--r-- root/root ./etc/quartet/config.toml",
      "-rw-r--r-- root/root ./usr/lib/systemd/system/quartet.service",
      "-rw-r--r-- root/root ./usr/lib/sysusers.d/quartet.conf",
      "-rw-r--r-- root/root ./usr/share/bash-completion/completions/quartet",
      "-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_quartet",
      "-rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/quartet.fish",
      "-rw-r--r-- root/root ./usr/share/man/man1/quartet.1.gz",
      "-rw-r--r-- root/root ./usr/share/man/man1/quartet-serve.1.gz",
      "-rw-r--r-- root/root ./usr/share/man/man5/quartet.toml.5.gz",
      "-rw-r--r-- root/root ./usr/share/quartet/quartet.schema.json",
      "-rw-r--r-- root/root ./usr/share/doc/quartet/copyright",
    ]
  ) assert.ok(listed.includes(path), path);

  for (const [i, name] of TARS.entries()) {
    const text = await run("tar", "--list", "--verbose", "--file", `${output}/${name}`);
    const inside = entries(text).join("\n");
    assert.match(inside, /^-rwxr-xr-x root\/root quartet-[\w.-]+\/bin\/quartet$/m);
    assert.match(inside, /\/share\/man\/man1\/quartet\.1$/m);
    assert.equal(/\/lib\/systemd\/system\/quartet\.service$/m.test(inside), i === 0);
    assert.equal(/\/share\/quartet\/quartet\.plist$/m.test(inside), i === 1);
  }
}

async function checkFiles(deb: string): Promise<void> {
  await using directory = await makeTempDirectory();
  const root = `${directory.path}/files`;
  await run("dpkg-deb", "--raw-extract", deb, root);
  const text = await Deno.readTextFile(`${root}/etc/quartet/config.toml`);
  const source = { file: "config.toml", text, env: () => undefined, readFile: () => "" };
  const { config } = loadConfig(source, SERVICES);
  assert.equal(config.daemon.data_dir, "/var/lib/quartet");
  const schema = /^#:schema (.*)\n/.exec(text)![1]!;
  JSON.parse(await Deno.readTextFile(root + schema));
  assert.equal(await Deno.readTextFile(`${root}/DEBIAN/conffiles`), "/etc/quartet/config.toml\n");
  const field = async (name: string) => (await run("dpkg-deb", "--field", deb, name)).trim();
  assert.equal(await field("Architecture"), "amd64");
  assert.equal(await field("Maintainer"), "Somebody <somebody@example.com>");
  assert.ok(Number(await field("Installed-Size")) > 300);
  await run("sh", "-c", `cd ${root} && md5sum --check --strict --quiet DEBIAN/md5sums`);

  const file = `${root}/usr/lib/systemd/system/quartet.service`;
  const unit = await Deno.readTextFile(file);
  assert.match(
    unit,
    /^ExecStartPre=\/usr\/bin\/quartet check --config \/etc\/quartet\/config.toml$/m,
  );
  assert.match(unit, /^User=quartet$/m);
  assert.match(unit, /^StateDirectory=quartet$/m);
  // V8 allocates a memory protection key as it starts; without these, the kernel kills the process.
  assert.match(unit, /^SystemCallFilter=@system-service @pkey$/m);
  assert.match(unit, /^SystemCallErrorNumber=EPERM$/m);
  assert.doesNotMatch(unit, /\/usr\/local|DynamicUser/);
  await Deno.writeTextFile(file, unit.replaceAll("/usr/bin/quartet", "/bin/true"));
  const verified = await runProgram("systemd-analyze", ["verify", "--recursive-errors=no", file]);
  if (verified !== undefined) assert.deepEqual(verified, { success: true, text: "" });
}

async function checkInstallation(deb: string): Promise<void> {
  await using directory = await makeTempDirectory();
  const root = `${directory.path}/root`;
  const dpkg = await emptyRoot(root);
  await dpkg("--install", deb);
  assert.match(await Deno.readTextFile(`${root}/etc/passwd`), /^quartet:x:\d+:\d+:.*nologin$/m);
  const wanted = `${root}/etc/systemd/system/multi-user.target.wants/quartet.service`;
  assert.ok(Deno.lstatSync(wanted).isSymlink);

  const file = `${root}/etc/quartet/config.toml`;
  await Deno.writeTextFile(file, "# changed here\n", { append: true });
  const next = `${directory.path}/next`;
  await run("dpkg-deb", "--raw-extract", deb, next);
  const control = await Deno.readTextFile(`${next}/DEBIAN/control`);
  await Deno.writeTextFile(`${next}/DEBIAN/control`, control.replace("0.1.0-1", "0.1.0-2"));
  await Deno.writeTextFile(`${next}/etc/quartet/config.toml`, "# changed there\n");
  await run("dpkg-deb", "--build", next, `${next}.deb`);
  await Deno.remove(wanted);
  await dpkg("--install", `${next}.deb`);
  assert.match(await Deno.readTextFile(file), /\n# changed here\n$/);
  assert.ok(!existsSync(wanted), "an upgrade enabled what somebody had disabled");

  await Deno.mkdir(`${root}/var/lib/quartet`);
  await Deno.writeTextFile(`${root}/var/lib/quartet/quartet.db`, "");
  await Deno.writeTextFile(`${root}/etc/quartet/kv.token`, "");
  await dpkg("--remove", "quartet");
  assert.ok(existsSync(file) && existsSync(`${root}/var/lib/quartet/quartet.db`));
  await dpkg("--purge", "quartet");
  assert.ok(!existsSync(`${root}/var/lib/quartet`) && !existsSync(file));
  assert.ok(existsSync(`${root}/etc/quartet/kv.token`), "purge removed a file of somebody else");
  assert.doesNotMatch(await Deno.readTextFile(`${root}/etc/passwd`), /quartet/);
}

Deno.test("package: inputs that cannot be packaged are named", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/quartet`;
  const options = { output: directory.path, date: DATE, maintainer: "" };
  const build = () => buildPackages({ binaries: [file], ...options });
  await assert.rejects(build, { message: /^Cannot package ".*\/quartet": No such file/ });
  await Deno.writeTextFile(file, "#!/bin/sh\n");
  await assert.rejects(build, { message: /": it is no executable for Linux or macOS/ });
  assert.throws(() => replaced("a = 1\n", { "b = 1\n": "" }), /Cannot replace "b = 1"/);
});
