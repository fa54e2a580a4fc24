/**
 * The rules of the commit on a mesh that exists in memory only: with every message lost, with every
 * node killed before every step, and in scenarios that text files tell step by step.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CommitWorld } from "../support/commit_world.ts";

const SCENARIOS = new URL("./commit_scenarios/", import.meta.url);
/** Far more rounds than any commit takes; one that needs more does not end. */
const MAX_ROUNDS = 50;

/** Lets time pass until nothing moves any more: nodes that are down come back after `downRounds`. */
function settle(world: CommitWorld, downRounds: number): void {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    for (let left = 1000; world.network.length > 0 && left > 0; left--) world.deliver();
    for (let node = 0; node < world.nodes; node++) {
      if (!world.isUp(node) && round >= downRounds) world.restart(node);
    }
    world.tick();
  }
}

/** Expects all outputs to be new, or all old, and nothing to be left beside them. */
function assertWhole(world: CommitWorld): void {
  const how = `${world.describe()}\n${world.trace.join("\n")}`;
  const [first] = world.disks;
  for (const { output, part, note, record } of world.disks) {
    assert.equal(output, first!.output, how);
    assert.deepEqual([part, note, record], [false, false, false], how);
  }
}

/** Runs a commit; a message that is lost means that its link breaks. */
function run(options: { killAt?: number; loseAt?: number }, downRounds = 0): CommitWorld {
  const world = new CommitWorld(options);
  world.begin();
  for (const node of [1, 2]) world.complete(node);
  if (options.loseAt !== undefined) {
    while (world.network.length > 0) {
      const { from, to } = world.network[0]!;
      const isLost = world.messages === options.loseAt;
      world.deliver();
      if (isLost) world.cut(from === 0 ? to : from);
    }
  }
  settle(world, downRounds);
  return world;
}

Deno.test("commit: without a fault all outputs are new, and nothing is left", () => {
  const world = run({});
  assertWhole(world);
  assert.equal(world.disks[0]!.output, "new");
});

Deno.test("commit: all or nothing, whichever node is killed before whichever step", () => {
  const steps = run({}).steps;
  const outcomes = new Set<string>();
  for (let killAt = 0; killAt < steps; killAt++) {
    for (const downRounds of [0, 1, 5]) {
      const world = run({ killAt }, downRounds);
      assertWhole(world);
      outcomes.add(world.disks[0]!.output);
    }
  }
  assert.ok(steps > 12, `${steps} steps`);
  assert.deepEqual([...outcomes].sort(), ["new", "old"]);
});

Deno.test("commit: all or nothing, whichever message is lost with its link", () => {
  const { messages } = run({});
  const outcomes = new Set<string>();
  for (let loseAt = 0; loseAt < messages; loseAt++) {
    const world = run({ loseAt });
    assertWhole(world);
    outcomes.add(world.disks[0]!.output);
  }
  assert.ok(messages >= 6, `${messages} messages`);
  assert.deepEqual([...outcomes].sort(), ["new", "old"]);
});

Deno.test("commit: all or nothing, if a message is lost and a node is killed", () => {
  const { steps, messages } = run({});
  for (let loseAt = 0; loseAt < messages; loseAt++) {
    // A kill can come after the loss, when there are more steps than without it.
    for (let killAt = 0; killAt < 2 * steps; killAt++) assertWhole(run({ killAt, loseAt }, 2));
  }
});

/** Plays the commands of a scenario; returns what stands beside them. */
function play(commands: string[]): string[] {
  const world = new CommitWorld();
  const shown: string[] = [];
  for (const command of commands) {
    const [word, argument] = command.split(" ");
    const node = Number(argument);
    const from = world.trace.length;
    if (word === "begin") world.begin();
    else if (word === "complete") world.complete(node);
    else if (word === "deliver") world.deliver();
    else if (word === "drop") world.network.shift();
    else if (word === "kill") world.kill(node);
    else if (word === "cut") world.cut(node);
    else if (word === "restart") world.restart(node);
    else if (word === "tick") world.tick();
    else if (word === "disks") world.trace.push(world.describe());
    else throw new Error(`Cannot play "${command}"`);
    shown.push(`> ${command}`, ...world.trace.slice(from).map((line) => `  ${line}`));
  }
  return shown;
}

for (const { name } of [...Deno.readDirSync(SCENARIOS)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`commit: scenario ${name}`, () => {
    const text = Deno.readTextFileSync(new URL(name, SCENARIOS));
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const commands = lines.filter((line) => line.startsWith("> ")).map((line) => line.slice(2));
    assert.deepEqual(play(commands), lines);
  });
}
