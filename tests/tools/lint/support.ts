import { createPlugin } from "../../../tools/lint/plugin.ts";
import type { Project } from "../../../tools/lint/project.ts";

/** A small project on disk, removed at the end of its scope. */
export class TestProject implements AsyncDisposable {
  readonly #project: Project;

  private constructor(project: Project) {
    this.#project = project;
  }

  /** Creates a project with these files and settings. */
  static async create(
    files: Readonly<Record<string, string>>,
    rules: Partial<Project> = {},
  ): Promise<TestProject> {
    const root = `${await Deno.realPath(await Deno.makeTempDir({ prefix: "quartet-lint-" }))}/`;
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(root + path.slice(0, path.lastIndexOf("/") + 1), { recursive: true });
      await Deno.writeTextFile(root + path, text);
    }
    return new TestProject({
      root,
      layerings: [[["lib/"]]],
      layered: ["lib/"],
      interfaceFiles: [],
      engineName: /sqlite/i,
      documented: [],
      stateless: [],
      maxLines: 400,
      ...rules,
    });
  }

  /** The messages of the plugin for one file. */
  async lint(path: string): Promise<string[]> {
    const file = this.#project.root + path;
    const text = await Deno.readTextFile(file);
    return Deno.lint.runPlugin(createPlugin(this.#project), file, text)
      .map(({ id, message }) => `${id.replace("quartet/", "")}: ${message}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#project.root, { recursive: true });
  }
}

/** The messages of the plugin for a project of one file, `lib/a.ts`. */
export async function lintText(text: string, rules: Partial<Project> = {}): Promise<string[]> {
  await using project = await TestProject.create({ "lib/a.ts": text }, rules);
  return await project.lint("lib/a.ts");
}
