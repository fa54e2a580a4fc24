import assert from "node:assert/strict";
import { TestClient } from "../../support/client.ts";
import type { DaemonProcess } from "../../support/daemon.ts";
import type { Tab } from "../../support/browser.ts";
import { originOf } from "./queue_steps.ts";

/** Finds a client in the list, looks at its name, and disconnects it. */
export async function useClients(tab: Tab, daemon: DaemonProcess): Promise<void> {
  const { page, complaints } = tab;
  using client = await TestClient.connect(daemon.address("kv"));
  await client.send("CLIENT SETNAME till-3\r\n");
  assert.equal(await client.line(), "+OK\r\n");
  await tab.visit(originOf(daemon));
  await page.locator("#clients-section summary").click();
  await page.locator("#clients-service").selectOption("kv");
  await page.locator("#clients-match").fill("till");
  const row = page.locator("#clients tr", { hasText: "till-3" });
  await row.filter({ hasText: /Redis.*idle/ }).waitFor();
  assert.deepEqual(await tab.violations(), []);
  await row.getByRole("button", { name: /Disconnect client/ }).click();
  await page.getByRole("button", { name: "Disconnect it" }).click();
  await tab.shows("#notice", "is disconnected.");
  assert.equal(await client.rest(), "");
  await tab.shows("#clients-note", "No client matches.");
  assert.deepEqual(complaints, []);
}

/** Browses keys, looks at a binary value, deletes it; and sees a subject. */
export async function useKeysAndSubjects(tab: Tab, daemon: DaemonProcess): Promise<void> {
  const { page, complaints } = tab;
  using client = await TestClient.connect(daemon.address("kv"));
  await client.send('SET user:1 <b>one</b>\r\nSET user:2 "\\x00\\xff" EX 3600\r\nSET z 1\r\n');
  for (let i = 0; i < 3; i++) assert.equal(await client.line(), "+OK\r\n");
  using chatter = await TestClient.connect(daemon.address("echo"));
  await chatter.send("one\ntwo\nthree\n");
  await chatter.line();
  await tab.visit(originOf(daemon));
  await page.locator("#keys-section summary").click();
  await page.locator("#keys-prefix").fill("user:");
  await page.getByRole("button", { name: "List" }).click();
  await page.locator("#keys li", { hasText: "user:2" }).filter({ hasText: /expires in/ }).waitFor();
  assert.equal(await page.locator("#keys li").count(), 2);
  await page.getByRole("button", { name: "user:1" }).click();
  await tab.shows("#key-value", "<b>one</b>");
  await page.locator("#key-close").click();
  await page.getByRole("button", { name: "user:2" }).click();
  await tab.shows("#key-value", "000000  00 ff");
  assert.deepEqual(await tab.violations(), []);
  await page.locator("#key-delete").click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await tab.shows("#notice", "The key is deleted.");
  await page.locator("#keys li", { hasText: "user:2" }).waitFor({ state: "detached" });
  await page.locator("#subjects-section summary").click();
  await page.locator("#subjects tr", { hasText: "echo" }).waitFor();
  await page.locator("#patterns li", { hasText: "1 subscriber" }).first().waitFor();
  assert.deepEqual(await tab.violations(), []);
  assert.deepEqual(complaints, []);
}
