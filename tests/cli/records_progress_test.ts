import assert from "node:assert/strict";
import { signal } from "../support/signal.ts";
import { within } from "../support/within.ts";

const PROGRESS = new URL("../../lib/cli/records_progress.ts", import.meta.url).href;

/** What a sort does whose phases follow each other: nobody waits until the bar before is drawn. */
const TWO_BARS = `
  import { Progress } from "${PROGRESS}";
  const first = new Progress("first", 10);
  first.value = 10;
  first.stop();
  const second = new Progress("second", 20);
  second.value = 20;
  await second.stop();
`;

/** Whether there is a program that runs another one at a terminal of its own. */
const hasScript = Deno.build.os === "linux" && await new Deno.Command("script", {
  args: ["--version"],
  stdout: "null",
  stderr: "null",
}).output().then(({ success }) => success, () => false);

Deno.test({
  name: "Progress: a bar can follow another one on a terminal",
  // script(1) of util-linux is the terminal.
  ignore: !hasScript,
  fn: async () => {
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, TWO_BARS);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const command = `${Deno.execPath()} run --no-check --frozen --config ${config} -A ${file}`;
    const child = new Deno.Command("script", {
      args: ["--quiet", "--return", "--command", command, "/dev/null"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    try {
      const shown = await within(60_000, "the end", new Response(child.stdout).text());
      assert.match(shown, /first .*100%[^]*second .*100%/);
      assert.ok((await child.status).success);
    } finally {
      signal(child, "SIGTERM");
      await child.status;
      await Deno.remove(file);
    }
  },
});
