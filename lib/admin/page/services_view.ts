/// <reference lib="dom" />
import { post } from "./api.ts";
import { confirmed } from "./confirm.ts";
import type { DaemonJson, ServiceJson } from "./daemon_json.ts";
import { byId, KeyedChildren, make, setAttribute, setText } from "./dom.ts";
import { find, type Interval, total } from "./interval.ts";
import { formatAge, formatBytes, formatCount } from "./format.ts";
import type { Notices } from "./notices.ts";

/** The card of one service. */
class ServiceCard {
  readonly root = make("li", { class: "card" });
  readonly #name: string;
  readonly #notices: Notices;
  readonly #state = make("span", { class: "state" });
  readonly #switch: HTMLButtonElement;
  readonly #addresses = make("ul", { class: "addresses" });
  readonly #shownAddresses = new KeyedChildren(this.#addresses, (address) => ({
    root: make("li", {}, make("code", {}, address)),
  }));
  readonly #facts = make("dl", { class: "facts" });
  readonly #values = new Map<string, HTMLElement>();
  readonly #problems = make("ul", { class: "problems" });
  readonly #shownProblems = new KeyedChildren(this.#problems, (problem) => ({
    root: make("li", {}, problem),
  }));
  #enabled = false;

  constructor(name: string, notices: Notices) {
    this.#name = name;
    this.#notices = notices;
    const title = make("h3", { class: name, id: `service-${name}` }, name);
    this.#switch = make("button", {
      type: "button",
      role: "switch",
      class: "switch",
      "aria-label": `Run ${name}`,
    });
    this.#switch.addEventListener("click", () => void this.#toggle());
    const head = make("div", { class: "card-head" }, title, this.#state, this.#switch);
    this.root.append(head, this.#addresses, this.#problems, this.#facts);
  }

  update(service: ServiceJson, daemon: DaemonJson, interval: Interval | undefined): void {
    this.#enabled = service.enabled;
    const [word, kind] = stateOf(service);
    setText(this.#state, word);
    this.#state.className = `state ${kind}`;
    setAttribute(this.#switch, "aria-checked", String(service.enabled));
    this.#switch.hidden = service.self;
    this.#switch.disabled = daemon.readOnly !== null;
    this.#shownAddresses.update(service.addresses);
    this.#shownProblems.update(service.problems);
    this.#showFacts(service.running ? factsOf(service, daemon, interval) : []);
  }

  #showFacts(facts: [string, string][]): void {
    for (const [name, value] of facts) {
      let element = this.#values.get(name);
      if (element === undefined) {
        element = make("dd");
        this.#values.set(name, element);
        this.#facts.append(make("div", {}, make("dt", {}, name), element));
      }
      setText(element, value);
    }
    this.#facts.hidden = facts.length === 0;
  }

  async #toggle(): Promise<void> {
    const enabled = !this.#enabled;
    if (!enabled && !await confirmSwitchOff(this.#name)) return;
    setAttribute(this.#switch, "aria-busy", "true");
    await this.#notices.follow(post(`/services/${encodeURIComponent(this.#name)}`, { enabled }));
    setAttribute(this.#switch, "aria-busy", null);
  }
}

/** The services section of the page: a card for each service. */
export class ServicesView {
  readonly #cards: KeyedChildren<ServiceCard>;

  constructor(notices: Notices) {
    this.#cards = new KeyedChildren(byId("services"), (name) => new ServiceCard(name, notices));
  }

  /** Shows the daemon's current state, and rates if an interval has passed. */
  update(daemon: DaemonJson, interval: Interval | undefined): void {
    const cards = this.#cards.update(daemon.services.map(({ name }) => name));
    for (const [i, card] of cards.entries()) card.update(daemon.services[i]!, daemon, interval);
    setText(
      byId("services-hint"),
      daemon.readOnly ??
        "Switches do not change config.toml: they last until the next reload or restart.",
    );
  }
}

function stateOf({ enabled, running, problems }: ServiceJson): [string, string] {
  if (running) return problems.length === 0 ? ["running", "good"] : ["unhealthy", "bad"];
  return enabled ? ["not running", "bad"] : ["off", "off"];
}

function factsOf(
  { name, sinceMs }: ServiceJson,
  daemon: DaemonJson,
  interval: Interval | undefined,
): [string, string][] {
  const labels = { service: name };
  const count = (value: number | null) => value === null ? "–" : formatCount(value);
  const rate = (metric: string) => {
    const value = interval?.rate(metric, labels) ?? null;
    return value === null ? "–" : `${formatBytes(value)}/s`;
  };
  const refused = total(daemon, "quartet_connections_rejected_total", labels) ?? 0;
  return [
    ["Connections", count(total(daemon, "quartet_connections", labels))],
    [
      "Accepted",
      count(total(daemon, "quartet_connections_accepted_total", labels)) +
      (refused > 0 ? ` (${formatCount(refused)} refused)` : ""),
    ],
    ["In", rate("quartet_received_bytes_total")],
    ["Out", rate("quartet_sent_bytes_total")],
    ["Running for", sinceMs === null ? "–" : formatAge((daemon.nowMs - sinceMs) / 1000)],
    ...ownFacts(name, daemon),
  ];
}

/** Facts that only one of the services has. */
function ownFacts(name: string, daemon: DaemonJson): [string, string][] {
  const value = (metric: string) => total(daemon, metric) ?? 0;
  if (name === "echo") {
    return [["Slow clients", formatCount(value("quartet_echo_slow_clients"))]];
  }
  if (name === "kv" && find(daemon, "quartet_kv_memory_bytes").length > 0) {
    return [["Data", formatBytes(value("quartet_kv_memory_bytes"))]];
  }
  if (name === "kv" && find(daemon, "quartet_kv_estimated_keys").length > 0) {
    return [["Keys (estimated)", formatCount(value("quartet_kv_estimated_keys"))]];
  }
  if (name === "mesh") {
    const done = total(daemon, "quartet_mesh_jobs_total", { result: "done" }) ?? 0;
    return [["Jobs done", formatCount(done)]];
  }
  if (name === "task") return [["Jobs", formatCount(value("quartet_task_jobs"))]];
  return [];
}

/** Asks the user to confirm, as clients will lose the service. */
function confirmSwitchOff(name: string): Promise<boolean> {
  return confirmed({
    title: `Switch ${name} off?`,
    text: "It stops accepting connections, finishes pending requests and disconnects its clients.",
    yes: "Switch it off",
    no: "Leave it on",
  });
}
