/**
 * The package for Debian and its descendants, built by dpkg-deb.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import {
  completions,
  documents,
  manualPages,
  type PackageFile,
  replaced,
  schemaFile,
  systemConfig,
} from "./contents.ts";
import type { Build } from "./build.ts";
import { run } from "./run.ts";
import { Stage } from "./stage.ts";

const DOCUMENTS = "usr/share/doc/quartet";
const SCHEMA = "usr/share/quartet";
const CONFIG = "etc/quartet/config.toml";

const FOLDERS = {
  bashCompletions: "usr/share/bash-completion/completions",
  zshCompletions: "usr/share/zsh/vendor-completions",
  fishCompletions: "usr/share/fish/vendor_completions.d",
};

/** The revision of the package; it goes up if the package changes and the program does not. */
const REVISION = 1;

/**
 * Builds the package.
 *
 * @param maintainer Who to ask about it, as "NAME <EMAIL>".
 * @returns The name of its file in the output directory.
 * @throws {Error} If dpkg-deb fails.
 */
export async function buildDeb(build: Build, maintainer: string): Promise<string> {
  const version = `${build.version}-${REVISION}`;
  const name = `quartet_${version}_${build.platform.architecture}.deb`;
  const directory = await Deno.makeTempDir({ prefix: "quartet-deb-" });
  try {
    const stage = new Stage(directory, build.date);
    await stage.copy(build.binary, "usr/bin/quartet");
    const files = dataFiles(build, { version, maintainer });
    for (const file of files) await stage.write(file);
    const sizeKib = Math.ceil(stage.sizeBytes / 1024);
    for (const file of controlFiles(build, { version, maintainer, sizeKib })) {
      await stage.write(file);
    }
    const sums = files.map(({ path, content }) => `${md5(content)}  ${path}`);
    sums.push(`${md5(await Deno.readFile(build.binary))}  usr/bin/quartet`);
    await stage.write({ path: "DEBIAN/md5sums", content: `${sums.sort().join("\n")}\n` });
    await stage.close();
    await run("dpkg-deb", ["--root-owner-group", "--build", directory, `${build.output}/${name}`], {
      SOURCE_DATE_EPOCH: String(build.date.getTime() / 1000),
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return name;
}

/** What goes into control files besides the files themselves. */
interface Labels {
  version: string;
  maintainer: string;
}

/** The files that the package installs, except the binary. */
function dataFiles(build: Build, labels: Labels): PackageFile[] {
  const { root } = build;
  const read = (path: string) => Deno.readTextFileSync(new URL(path, root));
  const unit = replaced(read("deploy/quartet.service"), {
    "/usr/local/bin/": "/usr/bin/",
    // A user that stays, so that administrators can give it files with tokens and keys.
    "DynamicUser=yes\n": "User=quartet\n",
  });
  const compressed = (path: string, text: string) => ({
    path: `${path}.gz`,
    content: new Uint8Array(gzipSync(text, { level: 9 })),
  });
  return [
    { path: CONFIG, content: systemConfig(`/${schemaFile(SCHEMA).path}`) },
    { path: "usr/lib/systemd/system/quartet.service", content: unit },
    { path: "usr/lib/sysusers.d/quartet.conf", content: read("deploy/debian/sysusers.conf") },
    ...completions(FOLDERS),
    schemaFile(SCHEMA),
    ...[...manualPages(build)].map(([name, text]) =>
      compressed(`usr/share/man/man${name.at(-1)}/${name}`, text)
    ),
    ...documents(root, DOCUMENTS),
    { path: `${DOCUMENTS}/copyright`, content: copyright(read) },
    compressed(`${DOCUMENTS}/changelog`, read("CHANGELOG.md")),
    compressed(`${DOCUMENTS}/changelog.Debian`, debianChangelog(build, labels)),
  ];
}

function controlFiles(
  { root, platform }: Build,
  { version, maintainer, sizeKib }: Labels & { sizeKib: number },
): PackageFile[] {
  const read = (name: string) => Deno.readTextFileSync(new URL(`deploy/debian/${name}`, root));
  const control = replaced(read("control"), {
    "@VERSION@": version,
    "@ARCHITECTURE@": platform.architecture,
    "@MAINTAINER@": maintainer,
    "@SIZE@": String(sizeKib),
  });
  return [
    { path: "DEBIAN/control", content: control },
    { path: "DEBIAN/conffiles", content: `/${CONFIG}\n` },
    ...["postinst", "prerm", "postrm"].map((name) => ({
      path: `DEBIAN/${name}`,
      content: read(name),
      executable: true,
    })),
  ];
}

/** The licence in Debian's form: indented, with dots for blank lines. */
function copyright(read: (path: string) => string): string {
  const [, , , , ...terms] = read("LICENSE").trimEnd().split("\n");
  const indented = terms.map((line) => line === "" ? " ." : ` ${line}`);
  return `${read("deploy/debian/copyright")}${indented.join("\n")}\n`;
}

/** The changelog of the package itself. */
function debianChangelog({ date, version }: Build, labels: Labels): string {
  const time = date.toUTCString().replace("GMT", "+0000");
  return `quartet (${labels.version}) unstable; urgency=medium

  * Version ${version}: see changelog.gz.

 -- ${labels.maintainer}  ${time}
`;
}

function md5(content: string | Uint8Array): string {
  return createHash("md5").update(content).digest("hex");
}
