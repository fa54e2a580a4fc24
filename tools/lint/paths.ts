/** The file system path of a `file:` URL. */
export function fromFileUrl(url: URL): string {
  const path = decodeURIComponent(url.pathname);
  return Deno.build.os === "windows" ? path.slice(1) : path;
}

/** The path of an absolute `path` relative to `root`, or `path` itself where it lies outside. */
export function projectPath(root: string, path: string): string {
  const slashed = path.replaceAll("\\", "/");
  const folder = root.replaceAll("\\", "/");
  return slashed.startsWith(folder) ? slashed.slice(folder.length) : slashed;
}

/** The absolute path of the file that a relative import in file `path` refers to. */
export function importedPath(path: string, specifier: string): string {
  return fromFileUrl(new URL(specifier, new URL(path.replaceAll("\\", "/"), "file:///")));
}
