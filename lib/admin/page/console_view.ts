/// <reference lib="dom" />
import { post } from "./api.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId, isAtEnd, make, setText } from "./dom.ts";
import { formatTime } from "./format.ts";
import type { Notices } from "./notices.ts";

/** Lines kept; older ones are dropped. */
const MAX_LINES = 500;

/** Reply of the service to a valid token. */
const LOGIN_OK = "OK";

/** The payload of the event `joined`. */
interface JoinedJson {
  id: string;
  address: string;
  asksForToken: boolean;
}

/** A console that joins echo's room as a client, shows its messages and sends some. */
export class ConsoleView {
  readonly #notices: Notices;
  readonly #section = byId("console-section");
  readonly #button = byId<HTMLButtonElement>("console-join");
  readonly #lines = byId("console-lines");
  readonly #form = byId<HTMLFormElement>("console-form");
  readonly #label = byId("console-label");
  readonly #input = byId<HTMLInputElement>("console-line");
  #source: EventSource | undefined;
  /** The console's id while it is connected. */
  #id: string | undefined;
  /** Whether the service is waiting for a token; the input is then one and must be masked. */
  #asksForToken = false;

  constructor(notices: Notices) {
    this.#notices = notices;
    this.#button.addEventListener("click", () => this.#source ? this.#leave() : this.#join());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#say();
    });
  }

  /** Shows the daemon's current state. */
  update(daemon: DaemonJson): void {
    const offered = daemon.services.find(({ name }) => name === "echo")?.console ?? false;
    this.#section.hidden = !offered && this.#source === undefined;
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
          ? `Connected to ${address}, which asks for a token.`
          : `You are in the room at ${address}.`,
        "note",
      );
      this.#input.focus();
    });
    source.addEventListener("lines", (event) => {
      const { lines, skipped } = JSON.parse(event.data) as { lines: string[]; skipped: number };
      if (skipped > 0) this.#add(`(${skipped} lines skipped: they came too fast)`, "note");
      for (const line of lines) this.#add(line);
      if (!this.#asksForToken || lines[0] !== LOGIN_OK) return;
      this.#setState(this.#id, false);
      this.#add("You are in the room.", "note");
    });
    source.addEventListener("left", () => {
      this.#add("The service closed the connection.", "note");
      this.#leave();
    });
    source.addEventListener("error", () => {
      if (this.#id !== undefined) this.#add("Connection lost. Reconnecting…", "note");
      this.#setState(undefined);
      // The browser reconnects by itself unless the server refused the request.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#notices.say("Cannot join the room right now.", "bad");
      this.#leave();
    });
  }

  #leave(): void {
    this.#source?.close();
    this.#source = undefined;
    if (this.#id !== undefined) this.#add("You left the room.", "note");
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
    setText(this.#label, asksForToken ? "Token for echo" : "Message to the room");
    this.#input.placeholder = id === undefined
      ? "Join to send messages"
      : asksForToken
      ? "Token for echo"
      : "Message to the room";
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
