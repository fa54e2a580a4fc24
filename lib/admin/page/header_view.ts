/// <reference lib="dom" />
import type { DaemonJson } from "./daemon_json.ts";
import { byId, make, setText } from "./dom.ts";
import { formatAge, formatBytes, formatTime } from "./format.ts";
import { total } from "./interval.ts";

/** The header of the page: the daemon's state, and alerts below it. */
export class HeaderView {
  readonly #state = byId("state");
  readonly #about = byId("about");
  readonly #alerts = byId("alerts");
  /** The alerts shown, so that screen readers do not announce them again. */
  #shown = "";

  /** Shows the daemon's current state. */
  update(daemon: DaemonJson): void {
    const ready = daemon.reasons.length === 0;
    const word = daemon.state === "ready" && !ready ? "not ready" : daemon.state;
    this.#setState(word, ready ? "good" : daemon.state === "ready" ? "bad" : "warn");
    const memory = total(daemon, "process_resident_memory_bytes");
    const parts = [
      `version ${daemon.version}`,
      `up ${formatAge((daemon.nowMs - daemon.startedMs) / 1000)}`,
      ...(memory === null ? [] : [`${formatBytes(memory)} in memory`]),
    ];
    setText(this.#about, parts.join(" · "));
    byId("logout").hidden = !daemon.hasSession;
    const reload = daemon.lastReload.successful ? [] : [
      `The last configuration was rejected; that of ${
        formatTime(daemon.lastReload.successMs)
      } is still in force. See the log for the reason.`,
    ];
    const reasons = daemon.state === "ready" ? daemon.reasons : [];
    this.#alert([...reasons, ...reload]);
  }

  /** Shows that the daemon has not answered since `sinceMs` (Unix time). */
  lost(sinceMs: number): void {
    this.#setState("no answer", "bad");
    this.#alert([`No answer from the daemon since ${formatTime(sinceMs)}. Retrying…`]);
  }

  #setState(word: string, kind: string): void {
    this.#state.className = `pill ${kind}`;
    setText(this.#state, word);
    document.title = `${word === "ready" ? "" : `${word} · `}quartet`;
  }

  #alert(texts: string[]): void {
    const shown = texts.join("\n");
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#alerts.replaceChildren(...texts.map((text) => make("p", { class: "banner" }, text)));
  }
}
