/// <reference lib="dom" />
import type { ClientJson, ClientsJson } from "../../net/client_list.ts";
import { ask, post } from "./api.ts";
import { confirmed } from "./confirm.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId, KeyedChildren, make, setText } from "./dom.ts";
import { formatAge, formatBytes } from "./format.ts";
import type { Notices } from "./notices.ts";
import { Pager } from "./pager.ts";
import { Poller } from "./poller.ts";

/** How many clients are on a page: as many as the daemon lists at once. */
const PAGE_CLIENTS = 100;

/** How often the list is read while it is open. */
const REFRESH_MS = 2000;

/** The clients section of the page: those of one service, and a button that disconnects one. */
export class ClientsView {
  readonly #section = byId<HTMLDetailsElement>("clients-section");
  readonly #service = byId<HTMLSelectElement>("clients-service");
  readonly #order = byId<HTMLSelectElement>("clients-order");
  readonly #match = byId<HTMLInputElement>("clients-match");
  readonly #rows: KeyedChildren<ClientRow>;
  readonly #pager = new Pager(PAGE_CLIENTS, "clients", (from) => this.#turn(from));
  readonly #poller: Poller<ClientsJson>;
  #from = 0;

  constructor(notices: Notices) {
    const changed = () => void this.#poller.now();
    this.#rows = new KeyedChildren(
      byId("clients"),
      (key) => new ClientRow(key, { notices, changed }),
    );
    this.#poller = new Poller(() => this.#load(), {
      show: (answer) => this.#show(answer),
      fail: (message) => this.#show({ clients: [], total: 0, unsorted: false }, message),
      everyMs: REFRESH_MS,
    });
    byId("clients-pager").append(this.#pager.root);
    byId("clients-form").addEventListener("submit", (event) => event.preventDefault());
    for (const control of [this.#service, this.#order, this.#match]) {
      control.addEventListener("input", () => this.#turn(0));
    }
    this.#section.addEventListener("toggle", () => {
      if (this.#section.open) changed();
    });
  }

  /** Shows the daemon's current state. */
  update({ services, readOnly }: DaemonJson): void {
    const names = services.filter(({ running }) => running).map(({ name }) => name);
    // Users who may not make changes may not see clients either.
    this.#section.hidden = readOnly !== null || names.length === 0;
    if ([...this.#service.options].map(({ value }) => value).join() !== names.join()) {
      const chosen = this.#service.value;
      this.#service.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
      if (names.includes(chosen)) this.#service.value = chosen;
    }
    if (!this.#section.hidden && this.#section.open) this.#poller.tick();
  }

  #load(): Promise<ClientsJson> {
    return ask<ClientsJson>(`/services/${this.#service.value}/queries/clients`, {
      from: this.#from,
      order: this.#order.value,
      match: this.#match.value,
    });
  }

  #turn(from: number): void {
    this.#from = from;
    void this.#poller.now();
  }

  #show({ clients, total, unsorted }: ClientsJson, note = ""): void {
    // The last page may have become empty.
    if (clients.length === 0 && this.#from > 0) return this.#turn(0);
    const rows = this.#rows.update(clients.map(({ id }) => `${this.#service.value} ${id}`));
    for (const [i, row] of rows.entries()) row.update(clients[i]!);
    byId("clients-table").hidden = rows.length === 0;
    const none = this.#match.value === "" ? "No client is connected." : "No client matches.";
    const about = unsorted ? "There are too many to sort: the oldest are first." : "";
    setText(byId("clients-note"), note || (rows.length === 0 ? none : about));
    this.#pager.update(this.#from, clients.length, { items: total, listed: Infinity });
  }
}

class ClientRow {
  readonly root = make("tr", { role: "row" });
  readonly #name = make("span");
  readonly #address = make("code");
  readonly #about = make("span", { class: "hint" });
  readonly #state = cell("state", "does");
  readonly #age = cell("age", "number");
  readonly #received = cell("received", "number");
  readonly #sent = cell("sent", "number");

  /** @param key The name of the service and the number of the client. */
  constructor(key: string, { notices, changed }: { notices: Notices; changed: () => void }) {
    const [service = "", id = ""] = key.split(" ");
    const button = make("button", { type: "button" }, "Disconnect");
    button.setAttribute("aria-label", `Disconnect client ${id}`);
    button.addEventListener("click", async () => {
      const address = this.#address.textContent;
      if (!await confirmDisconnect(`${service} client ${id} (${address})`)) return;
      const path = `/services/${service}/actions/disconnect`;
      await notices.follow(post(path, { client: Number(id) }));
      changed();
    });
    this.root.append(
      make(
        "th",
        { scope: "row", role: "rowheader" },
        ...[this.#name, " ", this.#address, " ", this.#about],
      ),
      this.#state,
      this.#age,
      this.#received,
      this.#sent,
      make("td", { class: "buttons", role: "cell" }, button),
    );
  }

  update(client: ClientJson): void {
    const { id, name, address, port, protocol } = client;
    setText(this.#name, name);
    this.#name.hidden = name === "";
    setText(this.#address, address);
    setText(this.#about, `client ${id}, ${protocol === "" ? "" : `${protocol}, `}port ${port}`);
    setText(this.#state, client.state);
    setText(this.#age, formatAge(client.ageMs / 1000));
    setText(this.#received, formatBytes(client.receivedBytes));
    setText(this.#sent, formatBytes(client.sentBytes));
  }
}

/** Asks the user to confirm, as the client loses what it has not received. */
function confirmDisconnect(client: string): Promise<boolean> {
  return confirmed({
    title: `Disconnect ${client}?`,
    text: "The connection is closed at once. What is on its way to the client is lost.",
    yes: "Disconnect it",
    no: "Leave it connected",
  });
}

function cell(label: string, kind: string): HTMLElement {
  return make("td", { class: kind, role: "cell", "data-label": label });
}
