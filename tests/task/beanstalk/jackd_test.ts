/** The unmodified beanstalkd client `jackd` from npm. */

import assert from "node:assert/strict";
import process from "node:process";
import { within } from "../../support/within.ts";
import { startServer } from "../support.ts";

const LIMIT_MS = 60_000;

/** The part of jackd that the test uses. */
interface Jackd {
  connect(options: { host: string; port: number }): Promise<void>;
  quit(): Promise<void>;
  put(body: string | Uint8Array, options?: Record<string, number>): Promise<string>;
  reserve(): Promise<{ id: string; payload: Uint8Array }>;
  reserveWithTimeout(seconds: number): Promise<{ id: string; payload: Uint8Array }>;
  reserveJob(id: string): Promise<{ id: string; payload: Uint8Array }>;
  peek(id: string): Promise<{ id: string; payload: Uint8Array }>;
  peekReady(): Promise<{ id: string }>;
  peekDelayed(): Promise<{ id: string }>;
  peekBuried(): Promise<{ id: string }>;
  use(tube: string): Promise<string>;
  watch(tube: string): Promise<number>;
  ignore(tube: string): Promise<number>;
  getCurrentTube(): Promise<string>;
  delete(id: string): Promise<void>;
  release(id: string, options?: Record<string, number>): Promise<void>;
  bury(id: string, priority?: number): Promise<void>;
  touch(id: string): Promise<void>;
  kick(bound: number): Promise<number>;
  kickJob(id: string): Promise<void>;
  stats(): Promise<string>;
  statsJob(id: string): Promise<string>;
  statsTube(tube: string): Promise<string>;
  listTubes(): Promise<string>;
  listTubesWatched(): Promise<string>;
}

Deno.test("jackd: all of its commands work", async () => {
  const { default: module } = await import("jackd");
  const Client = (module.default ?? module) as unknown as new () => Jackd;
  await using server = await startServer();
  const client = new Client();
  await client.connect({ host: "127.0.0.1", port: server.port });
  const text = (job: { payload: Uint8Array }) => new TextDecoder().decode(job.payload);
  await within(
    LIMIT_MS,
    "jackd",
    (async () => {
      const id = await client.put("some awesome job", { priority: 3, ttr: 60 });
      let job = await client.reserve();
      assert.deepEqual([job.id, text(job)], [id, "some awesome job"]);
      await client.touch(id);
      await client.release(id, { priority: 1 });
      assert.equal((await client.peekReady()).id, id);
      job = await client.reserveJob(id);
      await client.bury(id);
      assert.equal((await client.peekBuried()).id, id);
      assert.equal(await client.kick(1), 1);
      job = await client.reserveWithTimeout(0);
      assert.equal(job.id, id);
      assert.match(await client.statsJob(id), /\nstate: reserved\n/);
      await client.delete(id);
      await assert.rejects(client.peek(id), /NOT_FOUND/);
      await assert.rejects(client.delete(id), /NOT_FOUND/);
      await assert.rejects(client.reserveWithTimeout(0), /TIMED_OUT/);

      assert.equal(await client.use("some-tube"), "some-tube");
      assert.equal(await client.getCurrentTube(), "some-tube");
      assert.equal(await client.watch("some-tube"), 2);
      assert.equal(await client.ignore("default"), 1);
      await assert.rejects(client.ignore("some-tube"), /NOT_IGNORED/);
      const delayed = await client.put("later", { delay: 60 });
      assert.equal((await client.peekDelayed()).id, delayed);
      await client.kickJob(delayed);
      const lines = "line one\r\nline two\r\n";
      const binary = await client.put(lines);
      assert.equal(text(await client.reserve()), "later");
      assert.equal(text(await client.reserveJob(binary)), lines);
      assert.match(await client.stats(), /\ncurrent-jobs-reserved: 2\n/);
      assert.match(await client.statsTube("some-tube"), /\ntotal-jobs: 2\n/);
      assert.equal(await client.listTubes(), "---\n- default\n- some-tube\n");
      assert.equal(await client.listTubesWatched(), "---\n- some-tube\n");
    })(),
  );
  await client.quit();
  // Nothing announces that its socket is closed.
  await new Promise((resolve) => process.nextTick(resolve));
});
