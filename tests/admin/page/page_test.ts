import assert from "node:assert/strict";
import axeSource from "axe-core/axe.min.js" with { type: "text" };
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { formatAddress } from "../../../lib/net/address.ts";
import { TestClient } from "../../support/client.ts";
import { type DaemonProcess, startDaemon } from "../../support/daemon.ts";
import { FakeDaemon, startAdmin } from "../support.ts";

const CHROMIUM = "/usr/bin/chromium";
const WAIT_MS = 20_000;

/** What keeps Chromium from looking for the world outside, and what it needs as root. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const config = (adminPort = 0) =>
  `[storage]
url = "memory:"
[admin]
listen = "127.0.0.1:${adminPort}"
[echo]
listen = "127.0.0.1:0"
[kv]
listen = "127.0.0.1:0"
[task]
listen = "127.0.0.1:0"
beanstalk = "127.0.0.1:0"
`;

function hasChromium(): boolean {
  try {
    return Deno.statSync(CHROMIUM).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function originOf(daemon: DaemonProcess): string {
  return `http://${formatAddress(daemon.address("admin"))}`;
}

/** The page, when it has shown something. */
async function open(browser: Browser, url: string, options: BrowserContextOptions = {}) {
  const opened = await openPage(browser, url, options);
  await shows(opened.page, "#state", "ready");
  return opened;
}

/** A page of its own, with what its console said that it should not have. */
async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  await page.goto(url);
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

/** Waits until an element has a text. */
async function shows(page: Page, selector: string, text: string): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor();
}

/** What axe finds wrong with a page, a line each. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const result = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })") as {
    violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[];
  };
  return result.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`)
  );
}

/** Jobs in a tube: ready ones, and one that is delayed. */
async function putJobs(daemon: DaemonProcess): Promise<void> {
  using client = await TestClient.connect(daemon.addresses("task")[1]!);
  await client.send(
    "use mail\r\nput 0 0 60 1\r\na\r\nput 0 0 60 1\r\nb\r\nput 0 900 60 1\r\nc\r\n",
  );
  for (let i = 0; i < 4; i++) await client.line();
}

Deno.test({
  name: "the page, in Chromium",
  // A machine that has only Node has no browser, and none can be had from npm.
  ignore: !hasChromium(),
  // The browser belongs to a library that keeps timers and handles of its own.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using daemon = await startDaemon({ config: config() });
    await putJobs(daemon);
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    const step = (name: string, fn: () => Promise<void>) =>
      t.step({ name, fn, sanitizeOps: false, sanitizeResources: false });
    try {
      await step("shows what runs where, figures, tubes and the log", async () => {
        await using opened = await open(browser, originOf(daemon));
        const { page, complaints } = opened;
        for (const service of ["echo", "kv", "task", "admin"] as const) {
          const card = `li:has(#service-${service})`;
          await shows(page, card, "running");
          await shows(page, card, formatAddress(daemon.address(service)));
        }
        const row = page.locator("#tubes tr", { hasText: "mail" });
        const cells = row.locator("td.number");
        await row.waitFor();
        assert.deepEqual((await cells.allTextContents()).slice(0, 4), ["2", "0", "1", "0"]);
        await shows(page, "#log", "Listening service=admin");
        using client = await TestClient.connect(daemon.address("kv"));
        for (let i = 0; i < 50; i++) {
          await client.send("PUT a b\n");
          assert.equal(await client.line(), "OK\n");
        }
        const rate = page.locator("figure", { hasText: "Lines and commands" })
          .locator("li", { hasText: "kv" }).locator(".value");
        await rate.filter({ hasText: /[1-9]/ }).waitFor();
        assert.equal(await page.locator("figure canvas").count(), 9);
        const median = page.locator("figure", { hasText: "Time to answer (median)" });
        await median.locator("li", { hasText: "kv" }).locator(".value")
          .filter({ hasText: /[1-9].* (µs|ms)/ }).waitFor();
        assert.equal(await median.locator("li", { hasText: "task" }).isVisible(), false);
        await shows(page, "figure:has-text('Echo: messages') li", "dropped 0/s");
        assert.deepEqual(complaints, []);
      });

      await step("has no accessibility violation: light, dark, on a phone", async () => {
        const looks: BrowserContextOptions[] = [
          { colorScheme: "light", viewport: { width: 1280, height: 900 } },
          { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
          {
            colorScheme: "dark",
            viewport: { width: 360, height: 740 },
            isMobile: true,
            hasTouch: true,
          },
        ];
        for (const look of looks) {
          await using opened = await open(browser, originOf(daemon), look);
          const { page, complaints } = opened;
          await page.click("#console-join");
          await shows(page, "#console-lines", "You are in the room");
          await page.locator("li:has(#service-echo) .switch").click();
          await page.locator("#confirm[open]").waitFor();
          assert.deepEqual(await violations(page), [], JSON.stringify(look));
          await page.keyboard.press("Escape");
          await page.locator("#confirm[open]").waitFor({ state: "detached" });
          await page.locator("#tubes tr", { hasText: "mail" }).waitFor();
          assert.deepEqual(await violations(page), [], JSON.stringify(look));
          const width = await page.evaluate("document.documentElement.scrollWidth");
          assert.ok(width as number <= look.viewport!.width, `${width} pixels wide`);
          assert.deepEqual(complaints, []);
        }
      });

      await step("buries and kicks jobs", async () => {
        await using opened = await open(browser, originOf(daemon));
        const { page, complaints } = opened;
        const row = page.locator("#tubes tr", { hasText: "mail" });
        const buried = row.locator("td[data-label=buried]");
        await row.getByRole("button", { name: "Bury next job of mail" }).click();
        await shows(page, "#notice", "Job 1 was buried in mail.");
        await buried.filter({ hasText: "1" }).waitFor();
        await row.getByRole("button", { name: "Kick the jobs of mail" }).click();
        await shows(page, "#notice", "1 job was kicked in mail.");
        await buried.filter({ hasText: "0" }).waitFor();
        await page.fill("#job", "2");
        await page.locator("#job-form").getByRole("button", { name: "Bury" }).click();
        await shows(page, "#notice", "Job 2 was buried in mail.");
        assert.deepEqual(complaints, []);
      });

      await step("joins the room of echo, with the keyboard alone", async () => {
        await using opened = await open(browser, originOf(daemon));
        const { page, complaints } = opened;
        using client = await TestClient.connect(daemon.address("echo"));
        await page.focus("#console-join");
        await page.keyboard.press("Enter");
        await shows(page, "#console-lines", "You are in the room");
        await page.keyboard.type("hello from the page");
        await page.keyboard.press("Enter");
        assert.equal(await client.line(), "hello from the page\n");
        await client.send("<b>hello</b> from nc\n");
        await shows(page, "#console-lines", "<b>hello</b> from nc");
        await page.click("#console-join");
        await shows(page, "#console-lines", "You have left.");
        assert.deepEqual(complaints, []);
      });

      await step(
        "shows a token to an echo that asks for one, and not to those who look",
        async () => {
          await using guarded = await startDaemon({
            config: `[admin]\nlisten = "127.0.0.1:0"\n[echo]\nlisten = "127.0.0.1:0"\n` +
              `[auth.tokens.bus]\nenv = "BUS_TOKEN"\nservices = ["echo"]\n`,
            env: { BUS_TOKEN: "a-good-token" },
          });
          await using opened = await open(browser, originOf(guarded));
          const { page, complaints } = opened;
          const lines = page.locator("#console-lines");
          await page.click("#console-join");
          await shows(page, "#console-lines", "asks for a token");
          assert.equal(
            await page.getByLabel("A token that opens echo").getAttribute("type"),
            "password",
          );
          assert.deepEqual(await violations(page), []);
          await page.keyboard.type("a-bad-token");
          await page.keyboard.press("Enter");
          await shows(page, "#console-lines", "ERR wrong token");
          await shows(page, "#console-lines", "The service has closed the connection.");
          await page.click("#console-join");
          await lines.filter({ hasText: /asks for a token[^]*asks for a token/ }).waitFor();
          await page.keyboard.type("a-good-token");
          await page.keyboard.press("Enter");
          await shows(page, "#console-lines", "You are in the room.");
          await page.getByLabel("A line for the room").fill("hello");
          await page.keyboard.press("Enter");
          await shows(page, "#console-lines", "hello");
          assert.doesNotMatch(await lines.innerText(), /-token/);
          assert.deepEqual(complaints, []);
        },
      );

      await step("switches a service off and on, after a question", async () => {
        await using opened = await open(browser, originOf(daemon));
        const { page, complaints } = opened;
        const before = await Deno.readTextFile(daemon.configFile);
        const card = page.locator("li:has(#service-echo)");
        const control = card.getByRole("switch", { name: "echo is to run" });
        await control.click();
        await page.keyboard.press("Enter");
        await page.locator("#confirm[open]").waitFor({ state: "detached" });
        assert.equal(await control.getAttribute("aria-checked"), "true", "the answer was no");
        await control.click();
        await page.getByRole("button", { name: "Switch it off" }).click();
        await shows(page, "#notice", "echo is off until the next reload.");
        await card.locator(".state", { hasText: "off" }).waitFor();
        await control.click();
        await shows(page, "#notice", "echo is on until the next reload.");
        await card.locator(".state", { hasText: "running" }).waitFor();
        assert.equal(await Deno.readTextFile(daemon.configFile), before);
        assert.deepEqual(complaints, []);
      });

      await step("shows the job of the mesh with a bar for each node", async () => {
        const fake = new FakeDaemon();
        const progress = (node: number, doneBytes: number) => (
          {
            node,
            phase: "sort",
            doneBytes,
            totalBytes: 200,
            records: 7,
            sentBytes: 0,
            receivedBytes: 0,
          }
        );
        const job = { id: 3, input: "in", output: "out", result: "" };
        const jobs = [
          { ...job, id: 2, state: "failed", result: "node 1 is gone", progress: [] },
          { ...job, state: "running", progress: [progress(0, 50), progress(1, 100)] },
        ];
        fake.add("mesh", { status: () => ({ jobs, up: [0, 1] }) });
        await using server = await startAdmin(fake);
        await using opened = await open(browser, server.origin);
        const { page, complaints } = opened;
        await shows(page, "#mesh-hint", "2 nodes are there; job 3 runs");
        for (const [node, value] of [[0, "25.0"], [1, "50.0"]] as const) {
          const bar = page.getByRole("progressbar", { name: `Progress of node ${node}` });
          assert.equal(await bar.getAttribute("value"), value);
        }
        await shows(page, "#mesh-jobs li:first-child", "Job 3");
        await shows(page, "#mesh-jobs li:last-child", "node 1 is gone");
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(complaints, []);
      });

      await step("shows the rest of many tubes as one, which cannot be kicked", async () => {
        const fake = new FakeDaemon();
        const samples = ["other tubes", "zoo"].map((tube) => (
          { labels: { tube, state: "buried" }, value: 3 }
        ));
        fake.add("task", {
          actions: { kick: () => Promise.resolve(""), bury: () => Promise.resolve("") },
          metrics: () => [{ type: "gauge", name: "task_jobs", help: "", samples }],
        });
        await using server = await startAdmin(fake);
        await using opened = await open(browser, server.origin);
        const { page, complaints } = opened;
        const rows = page.locator("#tubes tr");
        await rows.last().filter({ hasText: "other tubes" }).waitFor();
        assert.equal(await rows.first().getByRole("button").count(), 2);
        assert.equal(await rows.last().getByRole("button").count(), 0);
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(complaints, []);
      });

      await step("says what is wrong, and offers no changes to other machines", async () => {
        const fake = new FakeDaemon();
        fake.lastReload.successful = false;
        fake.add("kv");
        await using server = await startAdmin(fake, { listen: "0.0.0.0:0" });
        const { port } = server.address as { port: number };
        await using opened = await open(browser, `http://127.0.0.1:${port}`);
        const { page, complaints } = opened;
        await shows(page, "#services-hint", "Nothing can be changed");
        assert.ok(await page.getByRole("switch", { name: "kv is to run" }).isDisabled());
        await shows(page, "#alerts", "The last configuration was not taken");
        fake.state = "draining";
        await shows(page, "#state", "draining");
        fake.state = "ready";
        Object.assign(fake.views[0]!, { problems: () => ["the disk is full"] });
        await shows(page, "#state", "not ready");
        await shows(page, "#alerts", "kv: the disk is full");
        await shows(page, "li:has(#service-kv)", "the disk is full");
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(complaints, []);
      });

      await step("asks for the token where there is one", async () => {
        const fake = new FakeDaemon();
        fake.add("kv");
        const guard = new Guard(["secret"], new FailureCounter(10, 60_000));
        await using server = await startAdmin(fake, {}, () => guard);
        await using opened = await openPage(browser, server.origin);
        const { page, complaints } = opened;
        await page.getByLabel("Token").waitFor();
        assert.deepEqual(await violations(page), []);
        await page.keyboard.type("secret");
        await page.keyboard.press("Enter");
        await shows(page, "#state", "ready");
        await page.getByRole("switch", { name: "kv is to run" }).click();
        await page.getByRole("button", { name: "Switch it off" }).click();
        await shows(page, "#notice", "kv is off until the next reload.");
        await page.getByRole("button", { name: "Log out" }).click();
        await page.getByLabel("Token").waitFor();
        assert.deepEqual(complaints, []);
      });

      await step("survives a restart of the daemon, and says so", async () => {
        const first = await startDaemon({ config: config() });
        let second: DaemonProcess | undefined;
        try {
          const origin = originOf(first);
          await using opened = await open(browser, origin);
          const { page, complaints } = opened;
          await first.stop();
          await shows(page, "#state", "no answer");
          await shows(page, "#alerts", "No answer from the daemon since");
          second = await startDaemon({ config: config(Number(new URL(origin).port)) });
          await shows(page, "#state", "ready");
          await shows(page, "#notice", "The daemon was restarted at");
          await shows(page, "#log", formatAddress(second.address("echo")));
          assert.equal(await page.locator("#alerts p").count(), 0);
          // Chromium itself notes each request that nobody answers.
          assert.deepEqual(complaints.filter((text) => !text.includes("net::ERR_")), []);
        } finally {
          await first[Symbol.asyncDispose]();
          await second?.[Symbol.asyncDispose]();
        }
      });
    } finally {
      await browser.close();
    }
  },
});
