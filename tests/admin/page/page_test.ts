import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { formatAddress } from "../../../lib/net/address.ts";
import { meshActions } from "../../../lib/mesh/actions.ts";
import { TestClient } from "../../support/client.ts";
import { startDaemon } from "../../support/daemon.ts";
import { FakeDaemon, startAdmin } from "../support.ts";
import { useClients, useKeysAndSubjects } from "./contents_steps.ts";
import { originOf, putJobs, useJobs, useTube, useWorkers } from "./queue_steps.ts";
import { hasChromium, launchBrowser, Tab } from "../../support/browser.ts";

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
[[task.schedule]]
name = "new-year"
cron = "0 0 1 1 *"
tube = "mail"
`;

/** Echo asks for a token, the page does not. */
const GUARDED_ECHO = `[admin]
listen = "127.0.0.1:0"
[echo]
listen = "127.0.0.1:0"
[auth]
# The scan for accessibility violations precedes the token, and takes its time on a busy machine.
login_timeout = "10m"
[auth.tokens.bus]
env = "BUS_TOKEN"
services = ["echo"]
`;

Deno.test({
  name: "the page, in Chromium",
  ignore: !hasChromium(),
  // Playwright keeps timers and handles of its own.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using daemon = await startDaemon({ config: config() });
    await putJobs(daemon);
    await using browser = await launchBrowser();
    const tab = await Tab.open(browser, { viewport: { width: 1280, height: 900 } });
    const { page, complaints } = tab;
    const step = (name: string, fn: () => Promise<void>) =>
      t.step({ name, fn, sanitizeOps: false, sanitizeResources: false });

    await step("shows services and addresses, metrics, tubes and the log", async () => {
      await tab.visit(originOf(daemon));
      for (const service of ["echo", "kv", "task", "admin"] as const) {
        const card = `li:has(#service-${service})`;
        await tab.shows(card, "running");
        await tab.shows(card, formatAddress(daemon.address(service)));
      }
      const row = page.locator("#tubes tr", { hasText: "mail" });
      const cells = row.locator("td.number");
      await row.waitFor();
      assert.deepEqual((await cells.allTextContents()).slice(0, 4), ["2", "0", "1", "0"]);
      const schedule = page.locator("#schedules tr", { hasText: "new-year" });
      const shown = (await schedule.locator("td").allTextContents()).join("|");
      assert.match(shown, /^0 0 1 1 \* UTC\|mail\|in \d+ (d|h|min|s).*\|–\|–$/);
      await tab.shows("#log", "Listening service=admin");
      using client = await TestClient.connect(daemon.address("kv"));
      for (let i = 0; i < 50; i++) {
        await client.send("PUT a b\n");
        assert.equal(await client.line(), "OK\n");
      }
      const rate = page.locator("figure", { hasText: "Lines and commands" })
        .locator("li", { hasText: "kv" }).locator(".value");
      await rate.filter({ hasText: /[1-9]/ }).waitFor();
      assert.equal(await page.locator("figure canvas").count(), 9);
      const median = page.locator("figure", { hasText: "Response time (median)" });
      await median.locator("li", { hasText: "kv" }).locator(".value")
        .filter({ hasText: /[1-9].* (µs|ms)/ }).waitFor();
      assert.equal(await median.locator("li", { hasText: "push workers" }).isVisible(), false);
      await tab.shows("figure:has-text('Echo: messages') li", "dropped 0/s");
      await page.getByLabel("24 h").check();
      await tab.shows("#charts-hint", "Each point is the highest value of");
      await page.getByLabel("5 min").check();
      await tab.shows("#charts-hint", "Measured once a second.");
      assert.deepEqual(complaints, []);
    });

    await step("has no accessibility violations: light, dark, on a phone", async () => {
      const phone = await Tab.open(browser, {
        colorScheme: "dark",
        viewport: { width: 360, height: 740 },
        isMobile: true,
        hasTouch: true,
      });
      using worker = await TestClient.connect(daemon.addresses("task")[1]!);
      await worker.send("reserve-with-timeout 0\r\n");
      await worker.line();
      const looksOfTabs = [[tab, ["light", "dark"]], [phone, ["dark"]]] as const;
      for (const [tab, looks] of looksOfTabs) {
        const { page, complaints } = tab;
        await tab.visit(`${originOf(daemon)}/#tube=mail`);
        await page.click("#console-join");
        await tab.shows("#console-lines", "You are in the room");
        await page.locator("#tubes tr", { hasText: "mail" }).waitFor();
        await page.locator("#workers tr").first().waitFor();
        await page.locator("#jobs button").first().click();
        await tab.shows("#job-body", "a");
        assert.deepEqual(await tab.violations(), []);
        await page.keyboard.press("Escape");
        const { width } = page.viewportSize()!;
        for (const colorScheme of looks) {
          const look = `${colorScheme}, ${width} pixels`;
          await page.emulateMedia({ colorScheme });
          await page.locator("li:has(#service-echo) .switch").click();
          await page.locator("#confirm[open]").waitFor();
          assert.deepEqual(await tab.violations(), [], look);
          await page.keyboard.press("Escape");
          await page.locator("#confirm[open]").waitFor({ state: "detached" });
          assert.deepEqual(await tab.violations(), [], look);
          const scrollWidth = await page.evaluate("document.documentElement.scrollWidth");
          assert.ok(scrollWidth as number <= width, `${scrollWidth} pixels wide: ${look}`);
        }
        assert.deepEqual(complaints, []);
      }
      await page.emulateMedia({ colorScheme: null });
      await phone.page.context().close();
    });

    await step("buries and kicks jobs", async () => {
      await tab.visit(originOf(daemon));
      const row = page.locator("#tubes tr", { hasText: "mail" });
      const buried = row.locator("td[data-label=buried]");
      await row.getByRole("button", { name: "Bury next job in mail" }).click();
      await tab.shows("#notice", "Job 1 was buried in mail.");
      await buried.filter({ hasText: "1" }).waitFor();
      await row.getByRole("button", { name: "Kick jobs in mail" }).click();
      await tab.shows("#notice", "1 job was kicked in mail.");
      await buried.filter({ hasText: "0" }).waitFor();
      await page.fill("#job", "2");
      await page.locator("#job-form").getByRole("button", { name: "Bury" }).click();
      await tab.shows("#notice", "Job 2 was buried in mail.");
      assert.deepEqual(complaints, []);
    });

    await step(
      "lists the jobs of a tube; shows, buries, retries and deletes one",
      () => useJobs(tab, daemon),
    );

    await step(
      "lists workers, and makes one quiet, and cancels a job",
      () => useWorkers(tab, daemon),
    );

    await step("moves the jobs of a tube and deletes them, after asking", async () => {
      await useTube(tab, daemon, { width: 1400, height: 900 });
      await useTube(tab, daemon, { width: 390, height: 740 });
    });

    await step("lists clients, and disconnects one", () => useClients(tab, daemon));

    await step(
      "browses keys, deletes one, and shows subjects",
      () => useKeysAndSubjects(tab, daemon),
    );

    await step("joins the echo room with the keyboard alone", async () => {
      await tab.visit(originOf(daemon));
      using client = await TestClient.connect(daemon.address("echo"));
      await page.focus("#console-join");
      await page.keyboard.press("Enter");
      await tab.shows("#console-lines", "You are in the room");
      await page.keyboard.type("hello from the page");
      await page.keyboard.press("Enter");
      assert.equal(await client.line(), "hello from the page\n");
      await client.send("<b>hello</b> from nc\n");
      await tab.shows("#console-lines", "<b>hello</b> from nc");
      await page.click("#console-join");
      await tab.shows("#console-lines", "You left the room.");
      assert.deepEqual(complaints, []);
    });

    await step(
      "sends a token to echo if it asks for one, and masks it",
      async () => {
        await using guarded = await startDaemon({
          config: GUARDED_ECHO,
          env: { BUS_TOKEN: "a-good-token" },
        });
        await tab.visit(originOf(guarded));
        const lines = page.locator("#console-lines");
        await page.click("#console-join");
        await tab.shows("#console-lines", "asks for a token");
        assert.equal(
          await page.getByLabel("Token for echo").getAttribute("type"),
          "password",
        );
        assert.deepEqual(await tab.violations(), []);
        await page.keyboard.type("a-bad-token");
        await page.keyboard.press("Enter");
        await tab.shows("#console-lines", "ERR wrong token");
        await tab.shows("#console-lines", "The service closed the connection.");
        await page.click("#console-join");
        await lines.filter({ hasText: /asks for a token[^]*asks for a token/ }).waitFor();
        await page.keyboard.type("a-good-token");
        await page.keyboard.press("Enter");
        await tab.shows("#console-lines", "You are in the room.");
        await page.getByLabel("Message to the room").fill("hello");
        await page.keyboard.press("Enter");
        await tab.shows("#console-lines", "hello");
        assert.doesNotMatch(await lines.innerText(), /-token/);
        assert.deepEqual(complaints, []);
      },
    );

    await step("switches a service off after asking, and on again", async () => {
      await tab.visit(originOf(daemon));
      const before = await Deno.readTextFile(daemon.configFile);
      const card = page.locator("li:has(#service-echo)");
      const control = card.getByRole("switch", { name: "Run echo" });
      await control.click();
      await page.keyboard.press("Enter");
      await page.locator("#confirm[open]").waitFor({ state: "detached" });
      assert.equal(await control.getAttribute("aria-checked"), "true", "the default answer is no");
      await control.click();
      await page.getByRole("button", { name: "Switch it off" }).click();
      await tab.shows("#notice", "echo is off until the next reload.");
      await card.locator(".state", { hasText: "off" }).waitFor();
      await control.click();
      await tab.shows("#notice", "echo is on until the next reload.");
      await card.locator(".state", { hasText: "running" }).waitFor();
      assert.equal(await Deno.readTextFile(daemon.configFile), before);
      assert.deepEqual(complaints, []);
    });

    await step("shows the running mesh job with a bar for each node", async () => {
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
      const agoMs = (hours: number, minutes: number) => (
        Date.now() - (hours * 60 + minutes + 0.5) * 60_000
      );
      const counting = { id: 3, input: "in", output: "out", format: { reduce: "count", top: 5 } };
      const job = { ...counting, result: "", submittedMs: agoMs(1, 10) };
      const times = { submittedMs: agoMs(6, 0), startedMs: agoMs(5, 5), endedMs: agoMs(2, 5) };
      const jobs = [
        { ...job, id: 2, state: "failed", ...times, result: "node 1 is gone", progress: [] },
        {
          ...job,
          state: "running",
          startedMs: agoMs(1, 7),
          progress: [progress(0, 50), progress(1, 100)],
        },
      ];
      const notes = ["node 2 is not connected"];
      const commands: string[] = [];
      const actions = meshActions({
        cancel: (job) => {
          commands.push(`cancel ${job}`);
          return "OK job 3";
        },
        retry: (job) => {
          commands.push(`retry ${job}`);
          return "ERR 64 jobs are waiting already";
        },
      });
      fake.add("mesh", { status: () => ({ jobs, up: [0, 1], notes }), actions });
      await using server = await startAdmin(fake);
      await tab.visit(server.origin);
      await tab.shows("#mesh-hint", "2 nodes are up; job 3 is running");
      for (const [node, value] of [[0, "25.0"], [1, "50.0"]] as const) {
        const bar = page.getByRole("progressbar", { name: `Progress of node ${node}` });
        assert.equal(await bar.getAttribute("value"), value);
      }
      await tab.shows("#mesh-jobs li:first-child", "Job 3");
      await tab.shows("#mesh-jobs li:first-child", "in → out (count top 5)");
      await tab.shows("#mesh-jobs li:first-child", "for 1 h 7 min");
      await tab.shows("#mesh-jobs li:last-child", "node 1 is gone");
      await tab.shows("#mesh-jobs li:last-child", "2 h 5 min ago after 3 h 0 min");
      await tab.shows("#mesh-hint", "node 2 is not connected");
      assert.deepEqual(await tab.violations(), []);
      const cancel = page.getByRole("button", { name: "Cancel mesh job 3" });
      await cancel.click();
      await tab.shows("#confirm", "in is not sorted. An older out stays as it is.");
      await page.keyboard.press("Enter");
      await page.locator("#confirm[open]").waitFor({ state: "detached" });
      assert.deepEqual(commands, [], "the default answer is no");
      await cancel.click();
      await page.getByRole("button", { name: "Cancel the job" }).click();
      await tab.shows("#notice", "Job 3 is being cancelled.");
      await page.getByRole("button", { name: "Retry mesh job 2" }).click();
      await tab.shows("#confirm", "in is sorted again, and out is replaced on all nodes.");
      await page.locator("#confirm").getByRole("button", { name: "Retry" }).click();
      await tab.shows("#notice", "64 jobs are waiting already.");
      assert.deepEqual(commands, ["cancel 3", "retry 2"]);
      assert.equal(await page.locator("#mesh-jobs button:visible").count(), 2);
      const [, running] = jobs;
      Object.assign(running!, { state: "done", endedMs: Date.now(), result: "records=7" });
      await tab.shows("#mesh-jobs li:first-child", "records=7");
      assert.equal(await page.locator("#mesh-jobs button:visible").count(), 1);
      complaints.splice(0, complaints.length, ...complaints.filter((each) => !/409/.test(each)));
      assert.deepEqual(complaints, []);
    });

    await step("shows the remaining tubes as one row without buttons", async () => {
      const fake = new FakeDaemon();
      const samples = ["other tubes", "zoo"].map((tube) => (
        { labels: { tube, state: "buried" }, value: 3 }
      ));
      fake.add("task", {
        actions: { kick: () => Promise.resolve(""), bury: () => Promise.resolve("") },
        metrics: () => [{ type: "gauge", name: "task_jobs", help: "", samples }],
      });
      await using server = await startAdmin(fake);
      await tab.visit(server.origin);
      const rows = page.locator("#tubes tr");
      await rows.last().filter({ hasText: "other tubes" }).waitFor();
      assert.equal(await rows.first().getByRole("button").count(), 2);
      assert.equal(await rows.last().getByRole("button").count(), 0);
      assert.deepEqual(await tab.violations(), []);
      assert.deepEqual(complaints, []);
    });

    await step("shows problems, and is read-only if other machines can reach it", async () => {
      const fake = new FakeDaemon();
      fake.lastReload.successful = false;
      fake.add("kv");
      await using server = await startAdmin(fake, { listen: "0.0.0.0:0" });
      const { port } = server.address as { port: number };
      await tab.visit(`http://127.0.0.1:${port}`);
      await tab.shows("#services-hint", "Nothing can be changed");
      assert.ok(await page.getByRole("switch", { name: "Run kv" }).isDisabled());
      await tab.shows("#alerts", "The last configuration was rejected");
      fake.state = "draining";
      await tab.shows("#state", "draining");
      fake.state = "ready";
      Object.assign(fake.views[0]!, { problems: () => ["the disk is full"] });
      await tab.shows("#state", "not ready");
      await tab.shows("#alerts", "kv: the disk is full");
      await tab.shows("li:has(#service-kv)", "the disk is full");
      assert.deepEqual(await tab.violations(), []);
      assert.deepEqual(complaints, []);
    });

    await step("asks for the token if the service has one", async () => {
      const fake = new FakeDaemon();
      fake.add("kv");
      const guard = new Guard(["secret"], new FailureCounter(10, 60_000));
      await using server = await startAdmin(fake, {}, () => guard);
      await tab.load(server.origin);
      await page.getByLabel("Token").waitFor();
      assert.deepEqual(await tab.violations(), []);
      await page.keyboard.type("secret");
      await page.keyboard.press("Enter");
      await tab.shows("#state", "ready");
      await page.getByRole("switch", { name: "Run kv" }).click();
      await page.getByRole("button", { name: "Switch it off" }).click();
      await tab.shows("#notice", "kv is off until the next reload.");
      await page.getByRole("button", { name: "Log out" }).click();
      await page.getByLabel("Token").waitFor();
      // The page may ask for the state between the end of the session and the next page; Chromium
      // itself reports the answer.
      assert.deepEqual(complaints.filter((text) => !text.includes("status of 401")), []);
    });

    await step("survives a restart of the daemon and reports it", async () => {
      const origin = originOf(daemon);
      await tab.visit(origin);
      await daemon.stop();
      await tab.shows("#state", "no answer");
      await tab.shows("#alerts", "No answer from the daemon since");
      const port = Number(new URL(origin).port);
      await using second = await startDaemon({ config: config(port) });
      await tab.shows("#state", "ready");
      await tab.shows("#notice", "The daemon was restarted at");
      await tab.shows("#log", formatAddress(second.address("echo")));
      assert.equal(await page.locator("#alerts p").count(), 0);
      // Chromium itself reports each request that fails.
      assert.deepEqual(complaints.filter((text) => !text.includes("net::ERR_")), []);
    });
  },
});
