import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { hasChromium, launchBrowser, Tab } from "../../support/browser.ts";
import { TestClient } from "../../support/client.ts";
import { startEcho, type TestEcho } from "../support.ts";
import { webSocketPort } from "./support.ts";

const WEBSOCKET = { websocket: "127.0.0.1:0" };
const TOKEN = "a-token-for-echo";

const originOf = (echo: TestEcho) => `http://127.0.0.1:${webSocketPort(echo)}`;

/** Types a line into the page and sends it. */
async function say({ page }: Tab, line: string): Promise<void> {
  await page.locator("#input").fill(line);
  await page.locator("#input").press("Enter");
}

/** The lines that the page shows. */
async function linesOf({ page }: Tab): Promise<string[]> {
  return await page.locator("#messages p").allTextContents();
}

Deno.test({
  name: "the chat page, in Chromium",
  ignore: !hasChromium(),
  // Playwright keeps timers and handles of its own.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using browser = await launchBrowser();
    const one = await Tab.open(browser, { viewport: { width: 1400, height: 900 } });
    const two = await Tab.open(browser, { viewport: { width: 390, height: 700 } });
    const step = (name: string, fn: () => Promise<void>) =>
      t.step({ name, fn, sanitizeOps: false, sanitizeResources: false });

    await step("two pages and a line client talk, and hostile text stays text", async () => {
      await using echo = await startEcho(WEBSOCKET);
      for (const tab of [one, two]) {
        await tab.load(originOf(echo));
        await tab.shows("#state", "connected");
      }
      await say(one, "hello from one");
      await two.shows("#messages p", "hello from one");
      await say(two, '<img src=x onerror="document.title = 1"> & <b>bold</b>');
      await one.shows("#messages p", "bold");
      using line = await TestClient.connect(echo.running.addresses[0]!);
      await line.send(Uint8Array.of(0xff, 0x0a));
      await line.send(`${"long".repeat(200)}\n`);
      await two.shows("#messages p", "longlong");
      const expected = [
        "hello from one",
        '<img src=x onerror="document.title = 1"> & <b>bold</b>',
        "\ufffd",
        "long".repeat(200),
      ];
      for (const tab of [one, two]) {
        assert.deepEqual(await linesOf(tab), expected);
        assert.equal(await tab.page.title(), "quartet chat");
        assert.equal(await tab.page.locator("#messages img").count(), 0);
        const wide = "document.documentElement.scrollWidth > innerWidth";
        assert.equal(await tab.page.evaluate(wide), false);
        assert.deepEqual(tab.complaints, []);
        assert.deepEqual(await tab.violations(), []);
      }
    });

    await step("the page keeps the last 500 lines, and shows the newest", async () => {
      await using echo = await startEcho({ ...WEBSOCKET, queue: 2000 });
      await two.load(originOf(echo));
      await two.shows("#state", "connected");
      using line = await TestClient.connect(echo.running.addresses[0]!);
      await line.send(Array.from({ length: 700 }, (_, i) => `line ${i}.\n`).join(""));
      await two.shows("#messages p", "line 699.");
      const lines = await linesOf(two);
      assert.deepEqual([lines.length, lines[0]], [500, "line 200."]);
      await two.page.locator("#messages p").last().waitFor({ state: "visible" });
    });

    await step("a token is asked for, and taken", async () => {
      const guard = new Guard([TOKEN], new FailureCounter(10, 60_000));
      await using echo = await startEcho(WEBSOCKET, { guard: () => guard });
      await one.load(originOf(echo));
      await one.shows("#state", "connected");
      await say(one, "hello?");
      await one.shows("#label", "Token");
      assert.equal(await one.page.locator("#input").getAttribute("type"), "password");
      await say(one, "a-wrong-token");
      await one.shows("#messages p", "ERR wrong token");
      await one.shows("#label", "Token");
      await say(one, TOKEN);
      await one.shows("#messages p", "OK");
      await one.shows("#label", "Message");
      await say(one, "hello!");
      await one.shows("#messages p", "hello!");
    });

    await step("a page of another host cannot connect, unless it is listed", async () => {
      const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
      const headers = { "content-type": "text/html" };
      await using site = Deno.serve(options, () => new Response("<p>A page", { headers }));
      const origin = `http://127.0.0.1:${site.addr.port}`;
      await using closed = await startEcho(WEBSOCKET);
      await using open = await startEcho({ ...WEBSOCKET, origins: [origin] });
      await one.page.goto(origin);
      const outcome = (echo: TestEcho) =>
        one.page.evaluate(`new Promise((resolve) => {
          const socket = new WebSocket("ws://127.0.0.1:${webSocketPort(echo)}");
          socket.onopen = () => resolve("open");
          socket.onerror = () => resolve("refused");
        })`);
      assert.equal(await outcome(closed), "refused");
      assert.equal(await outcome(open), "open");
    });
  },
});
