import assert from "node:assert/strict";
import { runProgram } from "../../support/programs.ts";
import { ROOT } from "../../support/quartet.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

/** Programs that the scripts call; here they only say so. */
const PROGRAMS = ["systemctl", "deb-systemd-helper", "deb-systemd-invoke", "systemd-sysusers"];

/** Runs a command where systemd seems to run, in mounts of its own. */
async function withSystemd(
  script: string,
): Promise<{ success: boolean; text: string } | undefined> {
  const mounts = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system";
  return await runProgram("unshare", ["--mount", "sh", "-c", `${mounts} && ${script}`]);
}

/**
 * Runs a script of the package.
 *
 * @param fails The calls that fail, such as "deb-systemd-invoke reload".
 * @returns What it called of {@linkcode PROGRAMS}, and what it wrote.
 */
async function calls(command: string, fails: string[] = []): Promise<string[]> {
  await using directory = await makeTempDirectory();
  const { path } = directory;
  for (const program of PROGRAMS) {
    const failures = fails.map((call) => `case "$call" in "${call}"*) exit 1;; esac\n`).join("");
    const script = `#!/bin/sh\ncall="${program} $*"\necho "$call" >>${path}/calls\n${failures}`;
    await Deno.writeTextFile(`${path}/${program}`, script);
    await Deno.chmod(`${path}/${program}`, 0o755);
  }
  const result = await withSystemd(`PATH=${path}:$PATH ${ROOT}deploy/debian/${command}`);
  assert.ok(result?.success, `${result?.text}`);
  const called = await Deno.readTextFile(`${path}/calls`);
  return [...called.trimEnd().split("\n"), ...result.text === "" ? [] : [result.text]];
}

const ignore = (await withSystemd("true"))?.success !== true;
const INACTIVE = "systemctl --quiet is-active";

Deno.test({
  name: "postinst: starts a service that does not run, and the unit checks the file",
  ignore,
  fn: async () => {
    const called = await calls("postinst configure ''", [INACTIVE]);
    assert.equal(called[0], "systemd-sysusers quartet.conf");
    assert.ok(called.includes("deb-systemd-helper enable quartet.service"));
    assert.equal(called.at(-1), "deb-systemd-invoke start quartet.service");
    // A start that fails is no failure of the installation.
    await calls("postinst configure ''", [INACTIVE, "deb-systemd-invoke"]);
  },
});

Deno.test({
  name: "postinst: restarts a running service only if the new program accepts its configuration",
  ignore,
  fn: async () => {
    const reload = "deb-systemd-invoke reload quartet.service";
    const restart = "deb-systemd-invoke restart quartet.service";
    const accepted = await calls("postinst configure 0.1.0-1");
    assert.deepEqual(accepted.slice(-2), [reload, restart]);
    const refused = await calls("postinst configure 0.1.0-1", ["deb-systemd-invoke reload"]);
    assert.equal(refused.at(-2), reload);
    assert.match(refused.at(-1)!, /^quartet: the configuration is not valid for this version/);
  },
});

Deno.test({
  name: "prerm and postrm: stop the service on removal, not for an upgrade",
  ignore,
  fn: async () => {
    assert.deepEqual(await calls("prerm remove"), ["deb-systemd-invoke stop quartet.service"]);
    await assert.rejects(calls("prerm upgrade"), Deno.errors.NotFound);
    assert.deepEqual(await calls("postrm remove"), ["systemctl --system daemon-reload"]);
    await assert.rejects(calls("postrm upgrade"), Deno.errors.NotFound);
  },
});
