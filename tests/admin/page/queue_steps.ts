/**
 * The steps of the page's test about the jobs and the workers of the queue.
 *
 * @module
 */

import assert from "node:assert/strict";
import { formatAddress } from "../../../lib/net/address.ts";
import type { Tab } from "../../support/browser.ts";
import { TestClient } from "../../support/client.ts";
import type { DaemonProcess } from "../../support/daemon.ts";

/** The address of a daemon's page. */
export function originOf(daemon: DaemonProcess): string {
  return `http://${formatAddress(daemon.address("admin"))}`;
}

/** Puts two ready jobs and a delayed one into the tube "mail". */
export async function putJobs(daemon: DaemonProcess): Promise<void> {
  using client = await TestClient.connect(daemon.addresses("task")[1]!);
  await client.send(
    "use mail\r\nput 0 0 60 1\r\na\r\nput 0 0 60 1\r\nb\r\nput 0 900 60 1\r\nc\r\n",
  );
  for (let i = 0; i < 4; i++) await client.line();
}

/** Finds jobs in the lists of a tube and by number; buries, retries and deletes them. */
export async function useJobs(tab: Tab, daemon: DaemonProcess): Promise<void> {
  const { page, complaints } = tab;
  using client = await TestClient.connect(daemon.addresses("task")[1]!);
  const bodies = ["<b>bold</b>", "\0\x01"];
  await client.send("use dead\r\n");
  for (const body of bodies) await client.send(`put 7 0 60 ${body.length}\r\n${body}\r\n`);
  for (let i = 0; i < 3; i++) await client.line();
  const job = (id: number) => page.locator("#jobs").getByRole("button", { name: `Job ${id}` });
  const dialog = page.locator("#job-dialog");
  await tab.visit(originOf(daemon));
  await page.locator("#tubes").getByRole("link", { name: "dead" }).click();
  await tab.shows("#jobs-title", "Jobs in dead");
  await tab.shows("#jobs tr:first-child .excerpt", "<b>bold</b>");
  await tab.shows("#jobs tr:last-child .excerpt", "00 01");
  await job(4).click();
  await tab.shows("#job-dialog", "Job 4");
  await tab.shows("#job-body", "<b>bold</b>");
  await dialog.getByRole("button", { name: "Bury" }).click();
  await tab.shows("#notice", "Job 4 was buried in dead.");
  await page.locator("#jobs-states").getByRole("link", { name: "buried" }).click();
  await tab.shows("#jobs .reason", "buried by hand");
  await job(4).click();
  await dialog.getByRole("button", { name: "Retry" }).click();
  await tab.shows("#notice", "Job 4 was kicked.");
  await tab.shows("#jobs-note", "There are no buried jobs.");

  await client.send("reserve-job 4\r\nprogress 4 5\r\n<i>½\r\n");
  await page.locator("#jobs-states").getByRole("link", { name: "reserved" }).click();
  await tab.shows("#jobs .job-progress", "<i>½");
  await job(4).click();
  await tab.shows("#job-facts", "<i>½");
  await page.keyboard.press("Escape");
  await client.send("release 4 7 0\r\n");
  for (let i = 0; i < 4; i++) await client.line();

  await page.fill("#job", "5");
  await page.keyboard.press("Enter");
  await tab.shows("#job-body-note", "2 B, shown as hexadecimal numbers");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.locator("#confirm[open]").waitFor();
  await page.keyboard.press("Enter");
  await page.locator("#confirm[open]").waitFor({ state: "detached" });
  await client.send("peek 5\r\n");
  assert.equal(await client.line(), "FOUND 5 2\r\n", "the default answer is no");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
  await tab.shows("#notice", "Job 5 was deleted.");
  assert.deepEqual(complaints, []);
  await page.fill("#job", "5");
  await page.keyboard.press("Enter");
  await tab.shows("#notice", "There is no job 5.");
}

/** Moves a job, and all jobs of a tube, to another one; flushes a tube. Each asks before. */
export async function useTube(
  tab: Tab,
  daemon: DaemonProcess,
  size: { width: number; height: number },
): Promise<void> {
  const { page, complaints } = tab;
  const usualSize = page.viewportSize()!;
  const { width } = size;
  await page.setViewportSize(size);
  using client = await TestClient.connect(daemon.addresses("task")[1]!);
  const expectJobs = async (tube: string, ready: number) => {
    await client.send(`stats-tube ${tube}\r\n`);
    if (await client.line() === "NOT_FOUND\r\n") return assert.equal(0, ready, tube);
    let found = "";
    for (let line = await client.line(); line !== "\r\n"; line = await client.line()) {
      found = /^current-jobs-ready: (\d+)/.exec(line)?.[1] ?? found;
    }
    assert.equal(found, `${ready}`, tube);
  };
  await client.send("use inbox\r\n" + "put 7 0 60 1\r\nx\r\n".repeat(4));
  assert.equal(await client.line(), "USING inbox\r\n");
  const ids: number[] = [];
  for (let i = 0; i < 4; i++) ids.push(Number((await client.line()).split(" ")[1]));

  const confirm = page.locator("#confirm");
  /** Answers the question: first with the Enter key, which must change nothing, then with the button. */
  const answer = async (ask: () => Promise<void>, yes: string, jobs: number) => {
    await ask();
    await page.locator("#confirm[open]").waitFor();
    const box = await confirm.boundingBox();
    assert.ok(box!.x >= 0 && box!.x + box!.width <= width, `${JSON.stringify(box)} in ${width}`);
    await page.keyboard.press("Enter");
    await page.locator("#confirm[open]").waitFor({ state: "detached" });
    await expectJobs("inbox", jobs);
    await ask();
    await confirm.getByRole("button", { name: yes }).click();
  };
  await tab.visit(`${originOf(daemon)}/#tube=inbox`);
  await tab.shows("#jobs-title", "Jobs in inbox");
  await page.locator("#jobs").getByRole("button", { name: `Job ${ids[0]}` }).click();
  await page.getByLabel("Move to tube").fill("single");
  await page.locator("#job-move").getByRole("button", { name: "Move" }).click();
  await tab.shows("#notice", `Job ${ids[0]} was moved to single.`);
  await expectJobs("single", 1);

  const moveAll = async () => {
    await page.getByLabel("Move all jobs of the tube to").fill("archive");
    await page.locator("#jobs-move").getByRole("button", { name: "Move all" }).click();
  };
  await answer(moveAll, "Move all", 3);
  await tab.shows("#notice", "3 jobs were moved from inbox to archive.");
  await expectJobs("inbox", 0);
  await client.send("use inbox\r\nput 7 0 60 1\r\nx\r\n");
  for (let i = 0; i < 2; i++) await client.line();
  const flush = () => page.getByRole("button", { name: "Delete all ready jobs" }).click();
  await answer(flush, "Delete", 1);
  await tab.shows("#notice", "1 job was deleted from inbox.");
  await expectJobs("inbox", 0);
  await expectJobs("archive", 3);
  const scrollWidth = await page.evaluate("document.documentElement.scrollWidth") as number;
  assert.ok(scrollWidth <= width, `${scrollWidth} pixels wide`);
  await page.setViewportSize(usualSize);
  await client.send("flush-tube archive\r\nflush-tube single\r\n");
  for (let i = 0; i < 2; i++) await client.line();
  assert.deepEqual(complaints, []);
}

/** Makes a worker quiet, resumes it, and cancels its job. */
export async function useWorkers(tab: Tab, daemon: DaemonProcess): Promise<void> {
  const { page, complaints } = tab;
  using worker = await TestClient.connect(daemon.addresses("task")[1]!);
  await worker.send("watch mail\r\nreserve-job 4\r\n");
  for (const line of ["WATCHING 2\r\n", "RESERVED 4 11\r\n", "<b>bold</b>\r\n"]) {
    assert.equal(await worker.line(), line);
  }
  await tab.visit(originOf(daemon));
  const row = page.locator("#workers tr", { hasText: "job 4" });
  await row.locator(".state", { hasText: "working" }).waitFor();
  await row.getByRole("button", { name: /^Quiet worker/ }).click();
  await row.locator(".state", { hasText: "quiet" }).waitFor();
  await worker.send("reserve-with-timeout 0\r\n");
  assert.equal(await worker.line(), "TIMED_OUT\r\n");
  await row.getByRole("button", { name: /^Resume worker/ }).click();
  await row.locator(".state", { hasText: "working" }).waitFor();
  await worker.send("reserve-with-timeout 0\r\n");
  assert.match(await worker.line(), /^RESERVED \d/);
  await row.getByRole("button", { name: "job 4" }).click();
  await tab.shows("#job-dialog", "Time left");
  await page.locator("#job-dialog").getByRole("button", { name: "Cancel job" }).click();
  await page.locator("#confirm").getByRole("button", { name: "Cancel job" }).click();
  await tab.shows("#notice", "Job 4 was cancelled.");
  assert.deepEqual(complaints, []);
}
