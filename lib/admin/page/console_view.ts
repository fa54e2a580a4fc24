/// <reference lib="dom" />
import { post } from "./api.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId, isAtEnd, make, setText } from "./dom.ts";
import { formatTime } from "./format.ts";
import type { Notices } from "./notices.ts";

/** How many lines are kept. */
const MAX_LINES = 500;

/** What the service says when a token was right. */
const LET_IN = "OK";

interface JoinedJson {
  id: string;
  address: string;
  asksForToken: boolean;
}

/** Joins the room of echo as a client, shows what is said there, and says something. */
export class ConsoleView {
  readonly #notices: Notices;
  readonly #section = byId("console-section");
  readonly #button = byId<HTMLButtonElement>("console-join");
  readonly #lines = byId("console-lines");
  readonly #form = byId<HTMLFormElement>("console-form");
  readonly #label = byId("console-label");
  readonly #input = byId<HTMLInputElement>("console-line");
  #source: EventSource | undefined;
  /** What {@linkcode post} needs; there while the room is joined. */
  #id: string | undefined;
  /** Whether the service waits for a token; then what is typed is one, and nobody is to read it. */
  #asksForToken = false;

  constructor(notices: Notices) {
    this.#notices = notices;
    this.#button.addEventListener("click", () => this.#source ? this.#leave() : this.#join());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#say();
    });
  }

  /** Shows the daemon at this moment. */
  update(daemon: DaemonJson): void {
    const there = daemon.services.find(({ name }) => name === "echo")?.console ?? false;
    this.#section.hidden = !there && this.#source === undefined;
    this.#button.disabled = daemon.readOnly !== null;
  }

  #join(): void {
    const source = new EventSource("/consoles/echo");
    this.#source = source;
    setText(this.#button, "Leave");
    source.addEventListener("joined", (event) => {
      const { id, address, asksForToken } = JSON.parse(event.data) as JoinedJson;
      this.#setState(id, asksForToken);
      this.#add(
        asksForToken
          ? `You are at the door of ${address}, which asks for a token that opens echo.`
          : `You are in the room of ${address}.`,
        "note",
      );
      this.#input.focus();
    });
    source.addEventListener("lines", (event) => {
      const { lines, skipped } = JSON.parse(event.data) as { lines: string[]; skipped: number };
      if (skipped > 0) this.#add(`(${skipped} lines that came too fast to be shown)`, "note");
      for (const line of lines) this.#add(line);
      if (!this.#asksForToken || lines[0] !== LET_IN) return;
      this.#setState(this.#id, false);
      this.#add("You are in the room.", "note");
    });
    source.addEventListener("left", () => {
      this.#add("The service has closed the connection.", "note");
      this.#leave();
    });
    source.addEventListener("error", () => {
      if (this.#id !== undefined) this.#add("The connection is lost. Trying again…", "note");
      this.#setState(undefined);
      // The browser tries again by itself, unless it was told that there is nothing to connect to.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#notices.say("Cannot join the room at the moment.", "bad");
      this.#leave();
    });
  }

  #leave(): void {
    this.#source?.close();
    this.#source = undefined;
    if (this.#id !== undefined) this.#add("You have left.", "note");
    this.#setState(undefined);
    setText(this.#button, "Join");
  }

  async #say(): Promise<void> {
    const line = this.#input.value;
    if (this.#id === undefined || line === "") return;
    this.#input.value = "";
    try {
      await post(`/consoles/${this.#id}`, { line: this.#asksForToken ? `AUTH ${line}` : line });
    } catch (error) {
      this.#notices.say(error instanceof Error ? error.message : String(error), "bad");
    }
  }

  #setState(id: string | undefined, asksForToken = false): void {
    this.#id = id;
    this.#asksForToken = asksForToken;
    this.#input.type = asksForToken ? "password" : "text";
    setText(this.#label, asksForToken ? "A token that opens echo" : "A line for the room");
    this.#input.placeholder = id === undefined
      ? "Join to say something"
      : asksForToken
      ? "A token that opens echo"
      : "Say something to all clients";
    for (const control of this.#form.elements) {
      (control as HTMLInputElement).disabled = id === undefined;
    }
  }

  #add(text: string, kind = ""): void {
    const follow = isAtEnd(this.#lines);
    const time = make("span", { class: "time" }, formatTime(Date.now()));
    this.#lines.append(make("p", { class: kind }, time, " ", text));
    while (this.#lines.childElementCount > MAX_LINES) this.#lines.firstElementChild!.remove();
    if (follow) this.#lines.scrollTop = this.#lines.scrollHeight;
  }
}
