import { CLIENT_ORDERS, type ClientOrder, type ClientsJson } from "../../net/client_list.ts";
import { ClientRates, type RatedClient } from "./client_rates.ts";
import {
  clientLines,
  headLine,
  meshLines,
  type Panel,
  PANELS,
  problemLines,
  serviceLines,
  type Snapshot,
  subjectLines,
  tubeLines,
} from "./panels.ts";
import type { Line } from "./screen.ts";

/** How each order of clients is called. */
const ORDER_NAMES: Record<ClientOrder, string> = {
  id: "newest first",
  received: "most received first",
  sent: "most sent first",
};

/** What the user looks at, and what was read last. */
export class TopView {
  readonly #rates = new ClientRates();
  #panel: Panel = "clients";
  #service: string | undefined;
  #order: ClientOrder = "id";
  #snapshot: Snapshot | undefined;
  #clients: readonly RatedClient[] = [];
  #totalClients = 0;
  /** Why the clients are not shown. */
  #clientsNote: string | undefined;
  /** Since when the daemon has not answered, in Unix time, and why. */
  #lost: { sinceMs: number; why: string } | undefined;

  /** The clients to ask for; `undefined` if they are not shown. */
  get wanted(): { service: string; order: ClientOrder } | undefined {
    if (this.#panel !== "clients" || this.#service === undefined) return undefined;
    return { service: this.#service, order: this.#order };
  }

  /** Takes what the daemon has answered. */
  show(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#lost = undefined;
    const names = this.#services();
    if (this.#service === undefined || !names.includes(this.#service)) this.#choose(names[0]);
  }

  /** Takes a list of clients, or why there is none. */
  showClients(list: ClientsJson | string): void {
    this.#clientsNote = typeof list === "string" ? list : undefined;
    this.#clients = typeof list === "string" ? [] : this.#rates.rate(list.clients);
    this.#totalClients = typeof list === "string" ? 0 : list.total;
  }

  /** Notes that the daemon does not answer. */
  lose(why: string, nowMs: number): void {
    this.#lost = { sinceMs: this.#lost?.sinceMs ?? nowMs, why };
  }

  /** Obeys a key; returns whether what it shows must be read anew. */
  press(key: string): boolean {
    const panel = PANELS[Number(key) - 1];
    if (panel !== undefined) this.#panel = panel;
    else if (key === "tab") this.#panel = next(PANELS, this.#panel, 1);
    else if (key === "back") this.#panel = next(PANELS, this.#panel, -1);
    else if (key === "s") this.#order = next(CLIENT_ORDERS, this.#order, 1);
    else if (key === "left") this.#choose(next(this.#services(), this.#service, -1));
    else if (key === "right") this.#choose(next(this.#services(), this.#service, 1));
    else return false;
    return true;
  }

  /** The screen: as many lines as it has rows, or fewer. */
  lines(address: string, { columns, rows }: { columns: number; rows: number }): Line[] {
    const snapshot = this.#snapshot;
    const lost = this.#lostLines();
    if (snapshot === undefined) return [...lost, { text: `Asking ${address}…` }];
    const [titles = "", ...services] = serviceLines(snapshot, columns);
    const [head = "", ...body] = this.#panelLines(snapshot, columns);
    const lines: Line[] = [
      { text: headLine(snapshot, address), look: "bold" },
      ...lost,
      ...problemLines(snapshot).map((text): Line => ({ text, look: "bad" })),
      { text: "" },
      { text: titles.padEnd(columns), look: "inverse" },
      ...services.map((text): Line => ({ text })),
      { text: "" },
      { text: this.#tabs(), look: "bold" },
      { text: head.padEnd(columns), look: body.length > 0 ? "inverse" : "plain" },
      ...body.map((text): Line => ({ text })),
    ];
    const footer: Line = { text: KEYS, look: "dim" };
    const shown = [...lines.slice(0, Math.max(1, rows - 1)), footer];
    return shown.slice(0, rows).map((line) => ({ ...line, text: line.text.slice(0, columns) }));
  }

  #lostLines(): Line[] {
    if (this.#lost === undefined) return [];
    const { sinceMs, why } = this.#lost;
    const since = new Date(sinceMs).toTimeString().slice(0, 8);
    return [
      { text: `No answer since ${since}. Trying again…`, look: "bad" },
      { text: why, look: "bad" },
    ];
  }

  #tabs(): string {
    return PANELS.map((panel, i) => {
      const name = panel === this.#panel ? `[${this.#titleOf(panel)}]` : panel;
      return `${i + 1} ${name}`;
    }).join("  ");
  }

  #titleOf(panel: Panel): string {
    if (panel !== "clients") return panel;
    const all = this.#totalClients;
    const some = all > this.#clients.length ? `${this.#clients.length} of ${all} ` : "";
    return `${some}clients of ${this.#service ?? "no service"}, ${ORDER_NAMES[this.#order]}`;
  }

  #panelLines(snapshot: Snapshot, width: number): string[] {
    switch (this.#panel) {
      case "clients":
        return this.#clientsNote === undefined
          ? clientLines(this.#clients, width)
          : [this.#clientsNote];
      case "tubes":
        return tubeLines(snapshot, width);
      case "subjects":
        return subjectLines(snapshot, width);
      case "mesh":
        return meshLines(snapshot, width);
    }
  }

  #services(): string[] {
    const services = this.#snapshot?.daemon.services ?? [];
    return services.filter(({ running }) => running).map(({ name }) => name);
  }

  #choose(service: string | undefined): void {
    if (service !== this.#service) this.#rates.reset();
    this.#service = service;
  }
}

const KEYS = "q quit   tab 1-4 panel   ←→ service   s sort clients";

/** The item after (1) or before (-1) another one; from the end to the beginning. */
function next<T>(items: readonly T[], item: T | undefined, step: 1 | -1): T {
  const at = items.indexOf(item as T);
  return items[(at + step + items.length) % items.length]!;
}
