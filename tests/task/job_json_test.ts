import assert from "node:assert/strict";
import { jobJson } from "../../lib/task/job_json.ts";
import type { JobStats } from "../../lib/task/queue.ts";

const STATS: JobStats = {
  id: 7,
  tube: "mail",
  state: "buried",
  priority: 10,
  ageMs: 1,
  delayMs: 0,
  ttrMs: 60_000,
  leftMs: 0,
  reserves: 1,
  timeouts: 0,
  releases: 0,
  buries: 1,
  kicks: 0,
  attempts: 1,
  reason: "no route to Z\xc3\xbcrich",
  progress: "at Z\xc3\xbcrich",
  death: null,
  key: "",
};

Deno.test("jobJson() shows a body that is text as text, even if its last character is cut", () => {
  const bytes = new TextEncoder().encode("Grüße\tan\r\nalle ✓");
  assert.equal(jobJson(STATS, bytes, bytes.length).body.text, "Grüße\tan\r\nalle ✓");
  assert.equal(jobJson(STATS, "plain", 5).body.text, "plain");
  const cut = jobJson(STATS, bytes.subarray(0, bytes.length - 1), bytes.length).body;
  assert.deepEqual(cut, { text: "Grüße\tan\r\nalle ", isText: true, bytes: 20, shown: 19 });
});

Deno.test("jobJson() shows a body that is not text in hexadecimal, and no more than 1 KiB of it", () => {
  for (const body of ["a\0b", "\x1b[2J", "\xff\xfe", "caf\xc3"]) {
    const json = jobJson(STATS, body, body.length).body;
    assert.equal(json.isText, false, JSON.stringify(body));
    assert.equal(json.text.replaceAll(" ", ""), Array.from(body, hexOf).join(""));
  }
  const { text, shown, bytes } = jobJson(STATS, new Uint8Array(5000), 5000).body;
  assert.deepEqual([text.length, shown, bytes], [3 * 1024 - 1, 1024, 5000]);
});

Deno.test("jobJson() decodes the reason and the progress", () => {
  assert.equal(jobJson(STATS, "", 0).progress, "at Zürich");
  assert.equal(jobJson(STATS, "", 0).reason, "no route to Zürich");
});

function hexOf(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(2, "0");
}
