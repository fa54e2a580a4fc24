/// <reference lib="dom" />
import { ask, post } from "./api.ts";
import { bytesOfText, hexLines, readableKey, textIn } from "./byte_text.ts";
import { confirmed } from "./confirm.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId, make, setText } from "./dom.ts";
import { formatAge, formatBytes, formatCount } from "./format.ts";
import { total } from "./interval.ts";
import type { Notices } from "./notices.ts";

/** A key, with one character per byte, and when it expires, in Unix time; 0 for never. */
interface KeyJson {
  key: string;
  expiresAtMs: number;
}

/** The beginning of a value in base64, and its whole length. */
interface EntryJson extends KeyJson {
  bytes: number;
  value: string;
}

/** The keys section of the page: pages of keys with a prefix, and a dialog for one of them. */
export class KeysView {
  readonly #section = byId<HTMLDetailsElement>("keys-section");
  readonly #dialog = byId<HTMLDialogElement>("key-dialog");
  readonly #notices: Notices;
  /** What is listed: the fields of the form when they were last sent. */
  #range = { db: 0, prefix: "" };
  #last: string | undefined;
  /** The key that the dialog shows. */
  #shown = "";
  /** The number of the last request; an answer to an older one is not shown. */
  #request = 0;

  constructor(notices: Notices) {
    this.#notices = notices;
    byId("keys-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#first();
    });
    this.#section.addEventListener("toggle", () => {
      if (this.#section.open) this.#first();
    });
    byId("keys-first").addEventListener("click", () => void this.#list());
    byId("keys-next").addEventListener("click", () => void this.#list(this.#last));
    byId("key-close").addEventListener("click", () => this.#dialog.close());
    byId("key-delete").addEventListener("click", () => void this.#delete());
  }

  /** Shows the daemon's current state. */
  update(daemon: DaemonJson): void {
    const isRunning = daemon.services.some(({ name, running }) => name === "kv" && running);
    // Users who may not make changes may not see keys either.
    this.#section.hidden = daemon.readOnly !== null || !isRunning;
    const keys = total(daemon, "quartet_kv_keys");
    const estimate = total(daemon, "quartet_kv_estimated_keys");
    const bytes = total(daemon, "quartet_kv_memory_bytes");
    const limit = total(daemon, "quartet_kv_max_memory_bytes");
    const count = keys === null ? `about ${formatCount(estimate ?? 0)}` : formatCount(keys);
    const memory = bytes === null || limit === null
      ? "in a database"
      : `${formatBytes(bytes)} of ${formatBytes(limit)}`;
    setText(byId("keys-about"), `${count} keys in all databases, ${memory}.`);
  }

  #first(): void {
    const db = Number(byId<HTMLInputElement>("keys-db").value);
    this.#range = { db, prefix: bytesOfText(byId<HTMLInputElement>("keys-prefix").value) };
    void this.#list();
  }

  async #list(after?: string): Promise<void> {
    const request = ++this.#request;
    let keys: KeyJson[] = [];
    let more = false;
    let note = "There is no such key.";
    try {
      const fields = after === undefined ? this.#range : { ...this.#range, after };
      ({ keys, more } = await ask<{ keys: KeyJson[]; more: boolean }>(
        "/services/kv/queries/keys",
        fields,
      ));
    } catch (error) {
      note = error instanceof Error ? error.message : String(error);
    }
    if (request !== this.#request) return;
    this.#last = keys.at(-1)?.key;
    byId("keys").replaceChildren(...keys.map((key) => this.#itemOf(key)));
    setText(byId("keys-note"), keys.length > 0 ? "" : note);
    byId<HTMLButtonElement>("keys-next").disabled = !more;
    byId<HTMLButtonElement>("keys-first").disabled = after === undefined;
  }

  #itemOf({ key, expiresAtMs }: KeyJson): HTMLElement {
    const button = make("button", { type: "button", class: "link" }, readableKey(key) || "(empty)");
    button.addEventListener("click", () => void this.#show(key));
    return make("li", {}, button, make("span", { class: "hint" }, expiryOf(expiresAtMs)));
  }

  async #show(key: string): Promise<void> {
    const { db } = this.#range;
    try {
      const entry = await ask<EntryJson>("/services/kv/queries/key", { db, key });
      this.#shown = key;
      const bytes = Uint8Array.from(atob(entry.value), (char) => char.charCodeAt(0));
      const isAll = bytes.length === entry.bytes;
      const text = textIn(bytes);
      const kind = text === undefined ? "binary" : "text";
      setText(byId("key-title"), readableKey(key));
      setText(
        byId("key-about"),
        [
          `${formatBytes(entry.bytes)}, ${kind}`,
          ...(isAll ? [] : [`only the first ${formatBytes(bytes.length)} are shown`]),
          expiryOf(entry.expiresAtMs) || "does not expire",
        ].join("; "),
      );
      byId("key-value").textContent = text ?? hexLines(bytes);
      this.#dialog.showModal();
    } catch (error) {
      this.#notices.say(error instanceof Error ? error.message : String(error), "bad");
    }
  }

  async #delete(): Promise<void> {
    const fields = { db: this.#range.db, key: this.#shown };
    const isSure = await confirmed({
      title: `Delete ${readableKey(this.#shown)}?`,
      text: "Its value is lost.",
      yes: "Delete it",
      no: "Keep it",
    });
    if (!isSure) return;
    this.#dialog.close();
    await this.#notices.follow(post("/services/kv/actions/delete", fields));
    void this.#list();
  }
}

function expiryOf(expiresAtMs: number): string {
  if (expiresAtMs === 0) return "";
  return `expires in ${formatAge((expiresAtMs - Date.now()) / 1000)}`;
}
