/// <reference lib="dom" />
import { confirmed } from "./confirm.ts";
import { byId, KeyedChildren, make, setText } from "./dom.ts";
import { formatAge, formatBytes } from "./format.ts";
import type { Notices } from "./notices.ts";
import { Poller } from "./poller.ts";
import { act, askTask, type TaskAction } from "./task_api.ts";
import type { JobJson, JobState } from "./task_json.ts";

/** How often an open dialog asks again. */
const REFRESH_MS = 1000;

/** An action on one job, and the states in which it is possible. */
interface JobAction {
  action: TaskAction;
  label: string;
  states: readonly JobState[];
  /** What the user has to confirm first. */
  warning?: string;
}

const ACTIONS: readonly JobAction[] = [
  { action: "kick", label: "Retry", states: ["buried"] },
  { action: "kick", label: "Make ready", states: ["delayed"] },
  { action: "bury", label: "Bury", states: ["ready", "delayed"] },
  { action: "release", label: "Release", states: ["held"] },
  {
    action: "cancel",
    label: "Cancel job",
    states: ["reserved"],
    warning:
      "Its worker loses it, and no other gets it. Its outcome will be that it was cancelled.",
  },
  {
    action: "delete",
    label: "Delete",
    states: ["ready", "delayed", "buried", "held"],
    warning: "Its body is lost, and no worker gets it.",
  },
];

/** CSS classes of job states. */
const STATE_KINDS: Readonly<Record<string, string>> = { buried: "bad", reserved: "good" };

/** The dialog about one job: all that the queue knows of it, and what can be done with it. */
export class JobDialog {
  readonly #notices: Notices;
  readonly #changed: () => void;
  readonly #dialog = byId<HTMLDialogElement>("job-dialog");
  readonly #state = byId("job-state");
  readonly #facts = new KeyedChildren(byId("job-facts"), (name) => new Fact(name));
  readonly #buttons = new KeyedChildren(byId("job-buttons"), (label) => this.#button(label));
  readonly #body = byId("job-body");
  readonly #move = byId<HTMLFormElement>("job-move");
  readonly #poller: Poller<JobJson>;
  #id = 0;
  #readOnly = true;

  /** @param changed Called when an action has changed a job. */
  constructor(notices: Notices, changed: () => void) {
    this.#notices = notices;
    this.#changed = changed;
    this.#poller = new Poller(() => askTask<JobJson>("job", { id: this.#id }), {
      show: (job) => this.#show(job),
      fail: (message) => this.#fail(message),
      everyMs: REFRESH_MS,
    });
    this.#dialog.addEventListener("close", () => this.#poller.stop());
    this.#move.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#act("move", { to: byId<HTMLInputElement>("job-move-to").value });
    });
    byId("job-close").addEventListener("click", () => this.#dialog.close());
  }

  /** Opens the dialog for a job, if there is one with this id. */
  open(id: number): void {
    this.#id = id;
    void this.#poller.now();
  }

  /** Asks again while the dialog is open. */
  update(readOnly: boolean): void {
    this.#readOnly = readOnly;
    if (this.#dialog.open) this.#poller.tick();
  }

  #show(job: JobJson): void {
    setText(byId("job-title"), `Job ${job.id}`);
    setText(byId("job-problem"), "");
    setText(this.#state, job.state);
    this.#state.className = `state ${STATE_KINDS[job.state] ?? ""}`;
    const facts = factsOf(job);
    for (const [i, fact] of this.#facts.update(facts.map(([name]) => name)).entries()) {
      setText(fact.value, facts[i]![1]);
    }
    const { text, isText, bytes, shown } = job.body;
    const kind = isText ? "" : ", shown as hexadecimal numbers";
    const cut = shown < bytes ? `, of which the first ${formatBytes(shown)} are shown` : "";
    setText(byId("job-body-note"), `${formatBytes(bytes)}${cut}${kind}`);
    setText(this.#body, text);
    this.#body.hidden = bytes === 0;
    const labels = ACTIONS.filter(({ states }) => states.includes(job.state)).map((a) => a.label);
    for (const { root } of this.#buttons.update(labels)) root.disabled = this.#readOnly;
    this.#move.hidden = this.#readOnly || job.state === "reserved";
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #fail(message: string): void {
    if (!this.#dialog.open) return this.#notices.say(message, "bad");
    setText(byId("job-problem"), message);
    this.#buttons.update([]);
    this.#move.hidden = true;
  }

  #button(label: string): { root: HTMLButtonElement } {
    const root = make("button", { type: "button" }, label);
    const action = ACTIONS.find((action) => action.label === label)!;
    if (action.warning !== undefined) root.className = "danger";
    root.addEventListener("click", () => void this.#run(action));
    return { root };
  }

  async #run({ action, label, warning }: JobAction): Promise<void> {
    const job = this.#id;
    const question = {
      title: `${action === "cancel" ? "Cancel" : label} job ${job}?`,
      text: warning ?? "",
      yes: label,
      no: "Keep it",
    };
    if (warning !== undefined && !await confirmed(question)) return;
    await this.#act(action);
  }

  async #act(action: TaskAction, fields: Record<string, unknown> = {}): Promise<void> {
    this.#dialog.close();
    await this.#notices.follow(act(action, { ...fields, job: this.#id }));
    this.#changed();
  }
}

class Fact {
  readonly root: HTMLElement;
  readonly value = make("dd");

  constructor(name: string) {
    const kind = name === "Reason" || name === "Progress" ? "wide" : "";
    this.root = make("div", { class: kind }, make("dt", {}, name), this.value);
  }
}

function factsOf(job: JobJson): [string, string][] {
  const age = (ms: number) => formatAge(ms / 1000);
  const facts: [string, string][] = [
    ["Tube", job.tube],
    ["Priority", String(job.priority)],
    ["Age", age(job.ageMs)],
    ["Time to run", age(job.ttrMs)],
  ];
  if (job.state === "delayed") facts.push(["Ready in", age(job.leftMs)]);
  if (job.state === "reserved") facts.push(["Time left", age(job.leftMs)]);
  if (job.key !== "") facts.push(["Key", job.key]);
  const { attempts, timeoutMs, expiresInMs, after = [] } = job.options ?? {};
  const limit = attempts === undefined || attempts === 0 ? "" : ` of ${attempts}`;
  facts.push(["Failed attempts", `${job.attempts}${limit}`]);
  if (timeoutMs !== undefined) facts.push(["Time limit", age(timeoutMs)]);
  if (expiresInMs !== undefined) facts.push(["Expires in", age(expiresInMs)]);
  if (after.length > 0) facts.push(["After", after.join(", ")]);
  for (const count of ["reserves", "timeouts", "releases", "buries", "kicks"] as const) {
    facts.push([count[0]!.toUpperCase() + count.slice(1), String(job[count])]);
  }
  if (job.progress !== "") facts.push(["Progress", job.progress]);
  if (job.reason !== "") facts.push(["Reason", job.reason]);
  return facts;
}
