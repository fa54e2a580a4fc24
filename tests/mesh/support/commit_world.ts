import {
  beginLeading,
  leaderAfterRestart,
  type LeaderEvent,
  type LeaderState,
  memberAfterRestart,
  type MemberEvent,
  type MemberState,
  stepLeader,
  stepMember,
} from "../../../lib/mesh/job/commit_rules.ts";

/** What a disk holds of an output. */
interface Disk {
  output: "old" | "new";
  part: boolean;
  note: boolean;
  /** On node 0: the decision. */
  record: boolean;
}

/** A message on its way. */
export interface Message {
  kind: "complete" | "commit" | "abort" | "done" | "ask";
  from: number;
  to: number;
}

/**
 * A mesh of three nodes that only commits: disks, a network and a clock that stand still until they
 * are told to move. Every effect of a node is a step, and a node can be killed before any of them.
 */
export class CommitWorld {
  readonly disks: Disk[];
  /** Messages on their way, in the order in which they were sent. */
  network: Message[] = [];
  /** What has happened, for scenarios and failures. */
  readonly trace: string[] = [];
  readonly #members: number[];
  #leader: LeaderState | undefined;
  readonly #states: (MemberState | undefined)[];
  /** Steps and messages so far. */
  steps = 0;
  messages = 0;
  /** The step before which its node is killed, and the message that gets lost. */
  readonly #killAt: number;
  readonly #loseAt: number;

  constructor({ nodes = 3, killAt = -1, loseAt = -1 } = {}) {
    this.#members = Array.from({ length: nodes - 1 }, (_, i) => i + 1);
    this.disks = Array.from({ length: nodes }, () => (
      { output: "old", part: true, note: false, record: false }
    ));
    this.#states = Array.from({ length: nodes }, () => "working");
    this.#killAt = killAt;
    this.#loseAt = loseAt;
  }

  get nodes(): number {
    return this.disks.length;
  }

  isUp(node: number): boolean {
    return node === 0 ? this.#leader !== undefined : this.#states[node] !== undefined;
  }

  /** Node 0 begins when its own output is complete and prepared. */
  begin(): void {
    const alive = this.#step(0, "prepare", () => this.disks[0]!.note = true);
    if (alive) this.#leader = beginLeading(this.#members);
  }

  complete(node: number): void {
    this.member(node, "complete");
  }

  /** Stops a node; what is on its disk stays. Its peers notice that it is gone. */
  kill(node: number): void {
    this.trace.push(`kill ${node}`);
    if (node === 0) this.#leader = undefined;
    this.#states[node] = undefined;
    // What it has sent may still arrive; what is sent to it does not.
    this.network = this.network.filter(({ to }) => to !== node);
    if (node === 0) { for (const member of this.#members) this.member(member, "lost"); }
    else this.leader({ kind: "lost", from: node });
  }

  /** Starts a node again: it has only what is on its disk. */
  restart(node: number): void {
    const { note, part, record } = this.disks[node]!;
    this.trace.push(`restart ${node}`);
    if (node > 0) {
      this.#states[node] = memberAfterRestart(note);
      if (!note) this.disks[node]!.part = false;
      return;
    }
    this.#leader = leaderAfterRestart(this.#members, record);
    // Its own output follows its own record.
    if (record && part) this.#rename(0);
    else if (!record) this.#discard(0);
  }

  /** Lets the network deliver its first message. */
  deliver(): void {
    const { kind, from, to } = this.network.shift()!;
    const text = `${kind} ${from} -> ${to}`;
    if (++this.messages - 1 === this.#loseAt) return void this.trace.push(`lose ${text}`);
    if (!this.isUp(to)) return void this.trace.push(`miss ${text}`);
    this.trace.push(text);
    if (to === 0) this.leader({ kind, from } as LeaderEvent);
    else this.member(to, kind as MemberEvent);
  }

  /**
   * Lets time pass: nodes that wait repeat what they said. A link that has lost a message counts as
   * broken.
   */
  tick(): void {
    this.leader({ kind: "tick" });
    for (const member of this.#members) this.member(member, "tick");
  }

  /** Breaks the links between node 0 and a member; both stay up. */
  cut(member: number): void {
    this.trace.push(`cut ${member}`);
    this.network = this.network.filter(({ from, to }) => from !== member && to !== member);
    this.member(member, "lost");
    this.leader({ kind: "lost", from: member });
  }

  member(node: number, event: MemberEvent): void {
    const state = this.#states[node];
    if (state === undefined) return;
    const step = stepMember(state, event);
    for (const effect of step.effects) {
      const alive = this.#step(node, effect, () => {
        if (effect === "prepare") this.disks[node]!.note = true;
        else if (effect === "rename") this.#rename(node);
        else if (effect === "discard") this.#discard(node);
        else this.#send(effect.split(" ").at(-1) as Message["kind"], node, 0);
      });
      if (!alive) return;
    }
    this.#states[node] = step.state;
  }

  leader(event: LeaderEvent): void {
    if (this.#leader === undefined) return;
    const step = stepLeader(this.#leader, event, this.#members);
    for (const effect of step.effects) {
      const alive = this.#step(0, effect.kind, () => {
        if (effect.kind === "decide") this.disks[0]!.record = true;
        else if (effect.kind === "forget") this.disks[0]!.record = false;
        else if (effect.kind === "rename") this.#rename(0);
        else if (effect.kind === "discard") this.#discard(0);
      });
      if (!alive) return;
      // Each of these is a message of its own, after which node 0 can be killed.
      if (!("to" in effect)) continue;
      for (const to of effect.to) {
        if (!this.#step(0, `${effect.kind} to ${to}`, () => this.#send(effect.kind, 0, to))) return;
      }
    }
    this.#leader = step.state;
  }

  /** The outputs of all nodes and what is left beside them. */
  describe(): string {
    return this.disks.map(({ output, part, note, record }) => (
      [output, part && "part", note && "note", record && "record"].filter(Boolean).join("+")
    )).join(" ");
  }

  #rename(node: number): void {
    Object.assign(this.disks[node]!, { output: "new", part: false, note: false });
  }

  #discard(node: number): void {
    Object.assign(this.disks[node]!, { part: false, note: false });
  }

  #send(kind: Message["kind"], from: number, to: number): void {
    this.network.push({ kind, from, to });
  }

  /** Does one step of a node, unless it is killed before; returns whether it is alive. */
  #step(node: number, name: string, act: () => void): boolean {
    if (this.steps++ === this.#killAt) {
      this.kill(node);
      return false;
    }
    this.trace.push(`${node} ${name}`);
    act();
    return true;
  }
}
