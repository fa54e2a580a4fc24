/// <reference lib="dom" />
import { post } from "./api.ts";
import { confirmed, type Question } from "./confirm.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId, KeyedChildren, make, setAttribute, setText } from "./dom.ts";
import { formatAge, formatBytes, formatCount } from "./format.ts";
import type { Notices } from "./notices.ts";

/** Number of jobs listed, the most recent ones. */
const MAX_JOBS = 20;

/** The status that the mesh service reports. */
interface MeshJson {
  jobs: JobJson[];
  /** Numbers of the connected nodes. */
  up: number[];
  /** What an operator should know. */
  notes?: string[];
}

interface JobJson {
  id: number;
  input: string;
  output: string;
  format: { reduce?: "unique" | "count"; top?: number };
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  result: string;
  /** When it was submitted, last started, and ended, in Unix time. */
  submittedMs: number;
  startedMs?: number;
  endedMs?: number;
  progress: ProgressJson[];
}

interface ProgressJson {
  node: number;
  phase: string;
  /** Progress within the phase. */
  doneBytes: number;
  totalBytes: number;
  records: number;
  sentBytes: number;
  receivedBytes: number;
}

/** CSS classes of job states. */
const STATE_KINDS: Readonly<Record<string, string>> = {
  running: "good",
  done: "good",
  failed: "bad",
};

/** What a person may do with a job; which of them depends on its state. */
type JobAction = "cancel" | "retry";

const ACTIONS: Readonly<Record<JobJson["state"], JobAction | undefined>> = {
  waiting: "cancel",
  running: "cancel",
  done: undefined,
  failed: "retry",
  cancelled: "retry",
};

const LABELS: Readonly<Record<JobAction, string>> = { cancel: "Cancel", retry: "Retry" };

/** Asks whether to do it, with what it does to the files. */
function questionOf(action: JobAction, { id, input, output }: JobJson): Question {
  const title = `${LABELS[action]} job ${id}?`;
  return action === "cancel"
    ? {
      title,
      text: `${input} is not sorted. An older ${output} stays as it is.`,
      yes: "Cancel the job",
      no: "Keep it",
    }
    : {
      title,
      text: `${input} is sorted again, and ${output} is replaced on all nodes.`,
      yes: "Retry",
      no: "Leave it",
    };
}

class JobItem {
  readonly root = make("li", { class: "job" });
  readonly #state = make("span", { class: "state" });
  readonly #files = make("code");
  readonly #times = make("span", { class: "hint" });
  readonly #result = make("span", { class: "hint" });
  readonly #button = make("button", { type: "button" });
  #job: JobJson | undefined;

  constructor(id: string, notices: Notices) {
    const name = make("strong", {}, `Job ${id}`);
    this.root.append(name, this.#state, this.#files, this.#times, this.#result, this.#button);
    this.#button.addEventListener("click", async () => {
      const job = this.#job;
      const action = job && ACTIONS[job.state];
      if (!action || !await confirmed(questionOf(action, job))) return;
      await notices.follow(post(`/services/mesh/actions/${action}`, { job: job.id }));
    });
  }

  update(job: JobJson, { nowMs, readOnly }: { nowMs: number; readOnly: boolean }): void {
    this.#job = job;
    const { id, state, input, output, result, format: { reduce, top } } = job;
    const action = ACTIONS[state];
    this.#button.hidden = action === undefined;
    this.#button.disabled = readOnly;
    if (action !== undefined) {
      setText(this.#button, LABELS[action]);
      this.#button.setAttribute("aria-label", `${LABELS[action]} mesh job ${id}`);
    }
    setText(this.#state, state);
    this.#state.className = `state ${STATE_KINDS[state] ?? ""}`;
    const operation = [reduce ?? "", top === undefined ? "" : `top ${top}`].filter(Boolean).join(
      " ",
    );
    setText(this.#files, `${input} → ${output}${operation && ` (${operation})`}`);
    setText(this.#times, describeTimes(job, nowMs));
    setText(this.#result, result);
  }
}

/** When a job ended and how long it ran, or how long it has been running or waiting. */
function describeTimes(
  { state, submittedMs, startedMs, endedMs }: JobJson,
  nowMs: number,
): string {
  const age = (fromMs: number, toMs: number) => formatAge((toMs - fromMs) / 1000);
  if (state === "waiting") return `for ${age(submittedMs, nowMs)}`;
  if (endedMs === undefined) return `for ${age(startedMs ?? submittedMs, nowMs)}`;
  const ran = startedMs === undefined ? "" : ` after ${age(startedMs, endedMs)}`;
  return `${age(endedMs, nowMs)} ago${ran}`;
}

class NodeItem {
  readonly root = make("li");
  readonly #phase = make("span", { class: "hint" });
  readonly #bar = make("progress", { max: "100" });
  readonly #amount = make("span", { class: "amount" });

  constructor(node: string) {
    this.#bar.setAttribute("aria-label", `Progress of node ${node}`);
    const name = make("span", {}, make("strong", {}, `Node ${node} `), this.#phase);
    this.root.append(name, this.#bar, this.#amount);
  }

  update(progress: ProgressJson | undefined, jobRuns: boolean): void {
    setText(this.#phase, progress?.phase ?? (jobRuns ? "starting" : "idle"));
    this.#bar.hidden = progress === undefined;
    const { doneBytes = 0, totalBytes = 0, records = 0 } = progress ?? {};
    const percent = totalBytes === 0 ? (progress ? 100 : 0) : 100 * doneBytes / totalBytes;
    setAttribute(this.#bar, "value", percent.toFixed(1));
    const sent = progress === undefined
      ? ""
      : ` · ${formatCount(records)} records · ${formatBytes(progress.sentBytes)} sent`;
    setText(this.#amount, progress === undefined ? "" : `${Math.floor(percent)} %${sent}`);
  }
}

/** The mesh section of the page: recent jobs, which can be cancelled or retried, and each node's progress with the running one. */
export class MeshView {
  readonly #section = byId("mesh-section");
  readonly #jobs: KeyedChildren<JobItem>;
  readonly #nodes = new KeyedChildren(byId("mesh-nodes"), (node) => new NodeItem(node));

  constructor(notices: Notices) {
    this.#jobs = new KeyedChildren(byId("mesh-jobs"), (id) => new JobItem(id, notices));
  }

  /** Shows the daemon's current state. */
  update(daemon: DaemonJson): void {
    const service = daemon.services.find(({ name }) => name === "mesh");
    const status = service?.status as MeshJson | null | undefined;
    this.#section.hidden = !status;
    if (!status) return;
    const jobs = status.jobs.slice(-MAX_JOBS).reverse();
    const items = this.#jobs.update(jobs.map(({ id }) => String(id)));
    const { nowMs } = daemon;
    const readOnly = daemon.readOnly !== null;
    for (const [i, item] of items.entries()) item.update(jobs[i]!, { nowMs, readOnly });
    const running = status.jobs.find(({ state }) => state === "running");
    const progress = running?.progress ?? [];
    const nodes = [...new Set([...status.up, ...progress.map(({ node }) => node)])];
    nodes.sort((a, b) => a - b);
    for (const [i, item] of this.#nodes.update(nodes.map(String)).entries()) {
      item.update(progress.find(({ node }) => node === nodes[i]), running !== undefined);
    }
    const count = `${nodes.length} ${nodes.length === 1 ? "node is" : "nodes are"} up`;
    const hint = running ? `${count}; job ${running.id} is running` : count;
    setText(byId("mesh-hint"), [hint, ...status.notes ?? []].join("; "));
  }
}
