import assert from "node:assert/strict";
import { ClientPause } from "../../lib/kv/client_pause.ts";

Deno.test("ClientPause: a second pause neither shortens nor weakens the first", async () => {
  let changes = 0;
  const pause = new ClientPause(() => changes++);
  await pause.over();
  pause.begin("write", 60_000);
  assert.equal(pause.mode, "write");
  pause.begin("all", 1);
  assert.equal(pause.mode, "all");
  pause.begin("write", 1);
  assert.equal(pause.mode, "all");
  const quick = new Promise((resolve) => setTimeout(() => resolve("still paused"), 20));
  const over = pause.over().then(() => "over");
  assert.equal(await Promise.race([over, quick]), "still paused");
  pause.end();
  assert.equal(await over, "over");
  assert.equal(pause.mode, undefined);
  assert.equal(changes, 4);
});

Deno.test("ClientPause: it ends by itself, and no pause of 0 begins", async () => {
  const pause = new ClientPause(() => {});
  pause.begin("all", 0);
  assert.equal(pause.mode, undefined);
  pause.begin("all", 5);
  assert.equal(pause.mode, "all");
  await pause.over();
  assert.equal(pause.mode, undefined);
});
