import assert from "node:assert/strict";
import { loadCommands } from "../../../lib/cli/commands.ts";
import { SERVICES } from "../../../lib/services.ts";
import { configSchema } from "../../../lib/config/schema.ts";
import { keysAt } from "../../../lib/config/walk.ts";
import { manualPages } from "../../../tools/package/contents.ts";
import { bold, escape, paragraphs } from "../../../tools/package/roff.ts";
import { isInstalled, runProgram } from "../../support/programs.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

const PAGES = manualPages({ version: "1.2.3", date: new Date("2030-04-05T00:00:00Z") });

/** What a page says, without its escapes. */
function plain(page: string): string {
  return page.replaceAll("\\:", "").replaceAll(/\\f[BIR]/g, "").replaceAll("\\-", "-")
    .replaceAll("\\(dq", '"').replaceAll("\\(ga", "`");
}

Deno.test("manual pages: every command has one, with all of its options", async () => {
  const overview = plain(PAGES.get("quartet.1")!);
  for (const { name, summary, options } of await loadCommands()) {
    assert.ok(overview.includes(`quartet-${name}(1)\n${summary}.`), name);
    const page = plain(PAGES.get(`quartet-${name}.1`)!);
    assert.match(page, /^\.TH "QUARTET-[A-Z]+" 1 "2030-04-05" "quartet 1\.2\.3"$/m);
    for (const option of options) {
      const form = `--${option.name}${option.value === undefined ? "" : ` ${option.value}`}\n`;
      assert.ok(page.includes(form), `${name} ${form}`);
    }
  }
});

Deno.test("manual pages: quartet.toml explains every section and every key", () => {
  const page = plain(PAGES.get("quartet.toml.5")!);
  const schema = configSchema(SERVICES);
  for (const section of keysAt(schema, [])) {
    assert.ok(page.includes(`.SS "[${section}]"`), section);
    for (const key of keysAt(schema, [section])) {
      const isShown = page.includes(`\n${key} = `) || page.includes(`[${section}.${key}`) ||
        page.includes(`[[${section}.${key}`);
      assert.ok(isShown, `${section}.${key}`);
    }
  }
  assert.match(page, /\nmax_failures = 10\n\.TQ\nfailure_window = "1m"\nAfter this many wrong/);
  assert.match(page, /\nurl = "nats:[^\n]+\n.*Unset by default\.\n/);
});

Deno.test({
  name: "manual pages: the formatter has no complaint",
  ignore: !await isInstalled("groff"),
  fn: async () => {
    await using directory = await makeTempDirectory();
    const files = [...PAGES].map(([name, text]) => {
      Deno.writeTextFileSync(`${directory.path}/${name}`, text);
      return `${directory.path}/${name}`;
    });
    const options = ["-K", "utf8", "-T", "utf8", "-man", "-ww", "-z"];
    assert.deepEqual(await runProgram("groff", [...options, ...files]), {
      success: true,
      text: "",
    });
  },
});

Deno.test("roff: text stays what it is", () => {
  assert.equal(escape(".hidden\n'quoted' a\\n --x"), "\\&.hidden\n\\(aqquoted\\(aq a\\en \\-\\-x");
  assert.equal(bold("a-b"), "\\fBa\\-b\\fR");
  assert.equal(paragraphs("one\ntwo\n\nthree"), ".PP\none\ntwo\n.PP\nthree");
  assert.equal(paragraphs("One.\nTwo."), ".PP\nOne.\n.br\nTwo.");
  const full = "x".repeat(95);
  assert.equal(paragraphs(`${full}\nTwo.`), `.PP\n${full}\nTwo.`);
  assert.equal(paragraphs("a:  b\nc:  d"), ".PP\n.nf\na:  b\nc:  d\n.fi");
});
