import { hasWildcard } from "./subject.ts";
import { Interest } from "./subscription.ts";

/** The interests in one pattern. */
interface Leaf {
  plain?: Interest | undefined;
  /** By queue group. */
  groups?: Map<string, Interest> | undefined;
}

/** A token of patterns with wildcards. The path from the root to it spells the tokens before it. */
interface TrieNode {
  tokens?: Map<string, TrieNode> | undefined;
  /** The token `*`. */
  any?: TrieNode | undefined;
  /** The patterns that end here. */
  leaf?: Leaf | undefined;
  /** The patterns that end here with `>`. */
  rest?: Leaf | undefined;
}

/** Options for {@linkcode Interests.open}. */
export interface InterestOptions {
  group?: string | undefined;
  selects?: ((subject: string) => boolean) | undefined;
}

/**
 * All interests, found by subject. Patterns without wildcards are in a map, those with wildcards in a
 * trie of tokens. So the cost of a look-up depends on the number of tokens and of the patterns that
 * begin like the subject, not on the number of subscriptions. Selections are compared one by one.
 * An empty interest leaves nothing behind.
 */
export class Interests {
  readonly #literals = new Map<string, Leaf>();
  readonly #trie: TrieNode = {};
  #wildcards = 0;
  readonly #selections = new Map<string, Interest>();

  /** The number of different interests. */
  size = 0;

  /** The number of objects that the index consists of; 0 if there are no interests. */
  get objects(): number {
    return this.#literals.size + this.#selections.size + nodesBelow(this.#trie);
  }

  /** All interests, for a link that subscribes to each. */
  *[Symbol.iterator](): Generator<Interest> {
    for (const leaf of this.#literals.values()) yield* interestsOf(leaf);
    yield* interestsBelow(this.#trie);
    yield* this.#selections.values();
  }

  /** Finds the interest in a pattern, or creates it. */
  open(pattern: string, options: InterestOptions = {}): Interest {
    const { group, selects } = options;
    if (selects !== undefined) {
      const found = this.#selections.get(pattern);
      if (found !== undefined) return found;
      const selection = this.#create(pattern, options);
      this.#selections.set(pattern, selection);
      return selection;
    }
    const leaf = this.#openLeaf(pattern);
    if (group === undefined) return leaf.plain ??= this.#create(pattern, options);
    leaf.groups ??= new Map();
    let interest = leaf.groups.get(group);
    if (interest === undefined) {
      interest = this.#create(pattern, options);
      leaf.groups.set(group, interest);
    }
    return interest;
  }

  /** Removes an interest, which must be empty. */
  close(interest: Interest): void {
    const { pattern, group } = interest;
    this.size--;
    if (interest.selects !== undefined) {
      this.#selections.delete(pattern);
      return;
    }
    if (!hasWildcard(pattern)) {
      const leaf = this.#literals.get(pattern)!;
      if (removeFrom(leaf, group)) this.#literals.delete(pattern);
      return;
    }
    this.#wildcards--;
    closeIn(this.#trie, pattern.split("."), { depth: 0, group });
  }

  /** All interests that a subject matches, in no particular order. */
  matching(subject: string): Interest[] {
    const found: Interest[] = [];
    const leaf = this.#literals.get(subject);
    if (leaf !== undefined) collect(leaf, found);
    if (this.#wildcards > 0) walk(this.#trie, subject.split("."), 0, found);
    for (const selection of this.#selections.values()) {
      if (selection.selects!(subject)) found.push(selection);
    }
    return found;
  }

  #create(pattern: string, { group, selects }: InterestOptions): Interest {
    this.size++;
    if (selects === undefined && hasWildcard(pattern)) this.#wildcards++;
    return new Interest(pattern, { group, selects });
  }

  #openLeaf(pattern: string): Leaf {
    if (!hasWildcard(pattern)) {
      let leaf = this.#literals.get(pattern);
      if (leaf === undefined) this.#literals.set(pattern, leaf = {});
      return leaf;
    }
    let node = this.#trie;
    for (const token of pattern.split(".")) {
      if (token === ">") return node.rest ??= {};
      if (token === "*") node = node.any ??= {};
      else {
        node.tokens ??= new Map();
        let next = node.tokens.get(token);
        if (next === undefined) node.tokens.set(token, next = {});
        node = next;
      }
    }
    return node.leaf ??= {};
  }
}

function collect(leaf: Leaf, found: Interest[]): void {
  if (leaf.plain !== undefined) found.push(leaf.plain);
  // Not spread into one call: there may be more groups than a call takes arguments.
  for (const interest of leaf.groups?.values() ?? []) found.push(interest);
}

/** Collects what matches the tokens from `depth` on. Recursion is as deep as a subject has tokens. */
function walk(node: TrieNode, tokens: readonly string[], depth: number, found: Interest[]): void {
  if (depth === tokens.length) {
    if (node.leaf !== undefined) collect(node.leaf, found);
    return;
  }
  if (node.rest !== undefined) collect(node.rest, found);
  if (node.any !== undefined) walk(node.any, tokens, depth + 1, found);
  const next = node.tokens?.get(tokens[depth]!);
  if (next !== undefined) walk(next, tokens, depth + 1, found);
}

/** Removes an interest below `node`; returns whether the node is empty and not needed any more. */
function closeIn(
  node: TrieNode,
  tokens: readonly string[],
  at: { depth: number; group: string | undefined },
): boolean {
  const { depth, group } = at;
  const token = tokens[depth];
  if (token === undefined) {
    if (removeFrom(node.leaf!, group)) node.leaf = undefined;
  } else if (token === ">") {
    if (removeFrom(node.rest!, group)) node.rest = undefined;
  } else if (token === "*") {
    if (closeIn(node.any!, tokens, { depth: depth + 1, group })) node.any = undefined;
  } else if (closeIn(node.tokens!.get(token)!, tokens, { depth: depth + 1, group })) {
    node.tokens!.delete(token);
    if (node.tokens!.size === 0) node.tokens = undefined;
  }
  return node.tokens === undefined && node.any === undefined && node.leaf === undefined &&
    node.rest === undefined;
}

/** Removes an interest from a leaf; returns whether the leaf is empty. */
function removeFrom(leaf: Leaf, group: string | undefined): boolean {
  if (group === undefined) leaf.plain = undefined;
  else if (leaf.groups!.delete(group) && leaf.groups!.size === 0) leaf.groups = undefined;
  return leaf.plain === undefined && leaf.groups === undefined;
}

function* interestsOf({ plain, groups }: Leaf): Generator<Interest> {
  if (plain !== undefined) yield plain;
  if (groups !== undefined) yield* groups.values();
}

function* interestsBelow(node: TrieNode): Generator<Interest> {
  for (const leaf of [node.leaf, node.rest]) {
    if (leaf !== undefined) yield* interestsOf(leaf);
  }
  if (node.any !== undefined) yield* interestsBelow(node.any);
  for (const child of node.tokens?.values() ?? []) yield* interestsBelow(child);
}

function nodesBelow(node: TrieNode): number {
  let count = (node.leaf === undefined ? 0 : 1) + (node.rest === undefined ? 0 : 1);
  if (node.any !== undefined) count += 1 + nodesBelow(node.any);
  for (const child of node.tokens?.values() ?? []) count += 1 + nodesBelow(child);
  return count;
}
