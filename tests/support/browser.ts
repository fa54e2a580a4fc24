/**
 * Chromium for tests of the page, where it is installed.
 *
 * @module
 */

import axeSource from "axe-core/axe.min.js" with { type: "text" };
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";
const WAIT_MS = 60_000;

/** Flags that keep Chromium off the network and let it run as root. */
const FLAGS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Whether Chromium is installed. A machine that has only Node has none, and npm offers none. */
export function hasChromium(): boolean {
  try {
    return Deno.statSync(CHROMIUM).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Starts Chromium without a window. Starting takes seconds, so tests share one. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS] });
}

/** A browser tab. Opening one starts a process, so tests share those too. */
export class Tab {
  readonly page: Page;
  /** Errors and warnings on the console, and uncaught exceptions, since {@linkcode visit}. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(message.text());
    });
  }

  /** Opens a tab, with cookies and settings of its own. */
  static async open(browser: Browser, options: BrowserContextOptions = {}): Promise<Tab> {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(WAIT_MS);
    return new Tab(await context.newPage());
  }

  /** Loads the page of a daemon and waits until it shows the daemon's state. */
  async visit(origin: string): Promise<void> {
    await this.load(origin);
    await this.shows("#state", "ready");
  }

  /** Loads a page. */
  async load(origin: string): Promise<void> {
    // An empty page in between: what the last one still had under way is not for the next to report.
    await this.page.goto("about:blank");
    this.complaints.length = 0;
    await this.page.goto(origin);
  }

  /** Waits until an element contains a text. */
  async shows(selector: string, text: string): Promise<void> {
    await this.page.locator(selector).filter({ hasText: text }).first().waitFor();
  }

  /** The accessibility violations that axe finds, a line each. */
  async violations(): Promise<string[]> {
    if (!await this.page.evaluate("'axe' in window")) await this.page.evaluate(axeSource);
    const result = await this.page.evaluate(
      "axe.run(document, { resultTypes: ['violations'] })",
    ) as { violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] };
    return result.violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`)
    );
  }
}
