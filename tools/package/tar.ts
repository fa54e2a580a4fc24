/**
 * The archive for other systems, built by GNU tar. Its folders are those of /usr/local.
 *
 * @module
 */

import {
  completions,
  documents,
  manualPages,
  type PackageFile,
  schemaFile,
  systemConfig,
} from "./contents.ts";
import type { Build } from "./build.ts";
import { run } from "./run.ts";
import { Stage } from "./stage.ts";

const PREFIX = "/usr/local";

const FOLDERS = {
  bashCompletions: "share/bash-completion/completions",
  zshCompletions: "share/zsh/site-functions",
  fishCompletions: "share/fish/vendor_completions.d",
};

/**
 * Builds the archive.
 *
 * @returns The name of its file in the output directory.
 * @throws {Error} If tar fails.
 */
export async function buildTar(build: Build): Promise<string> {
  const { system, architecture } = build.platform;
  const folder = `quartet-${build.version}-${system}-${architecture}`;
  const name = `${folder}.tar.gz`;
  const directory = await Deno.makeTempDir({ prefix: "quartet-tar-" });
  try {
    const stage = new Stage(directory, build.date);
    await stage.copy(build.binary, `${folder}/bin/quartet`);
    for (const { path, ...file } of files(build)) {
      await stage.write({ path: `${folder}/${path}`, ...file });
    }
    await stage.close();
    await run("tar", [
      ...["--create", "--use-compress-program=gzip -n", `--file=${build.output}/${name}`],
      ...["--format=gnu", "--sort=name", "--owner=root:0", "--group=root:0"],
      ...[`--directory=${directory}`, folder],
    ]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return name;
}

function files(build: Build): PackageFile[] {
  const { root, platform } = build;
  const source = (from: string, path: string) => ({
    path,
    content: Deno.readTextFileSync(new URL(from, root)),
  });
  const schema = schemaFile("share/quartet");
  return [
    platform.system === "linux"
      ? source("deploy/quartet.service", "lib/systemd/system/quartet.service")
      : source("deploy/quartet.plist", "share/quartet/quartet.plist"),
    { path: "share/quartet/config.toml", content: systemConfig(`${PREFIX}/${schema.path}`) },
    schema,
    ...completions(FOLDERS),
    ...[...manualPages(build)].map(([name, content]) => ({
      path: `share/man/man${name.at(-1)}/${name}`,
      content,
    })),
    ...documents(root, "share/doc/quartet"),
    source("CHANGELOG.md", "share/doc/quartet/CHANGELOG.md"),
    source("LICENSE", "share/doc/quartet/LICENSE"),
  ];
}
