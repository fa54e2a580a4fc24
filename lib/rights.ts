/**
 * What a token may do at one service. This is the only place that decides; each service maps its
 * commands to actions, and refuses in the words of its protocols.
 *
 * @module
 */

/** Selects names, such as keys, tubes or subjects. */
export interface NamePattern {
  /** Whether it selects a name. */
  matches(name: string): boolean;
  /**
   * Whether it surely selects every name that another pattern of the same kind selects; for globs it
   * may be `false` although it does.
   */
  covers(pattern: string): boolean;
}

/** Selects every name. */
export const ANY_NAME: NamePattern = { matches: () => true, covers: () => true };

/**
 * The rights of a token at one service: for each action, the names that it may be done to. An action
 * without names, such as submitting a job to the mesh, is granted with {@linkcode ANY_NAME}. A token
 * that may do everything has no rights but `null`, so that its clients cost one comparison a command.
 */
export class Rights {
  /** What the configuration says. Rights with the same source are the same rights. */
  readonly source: string;
  readonly #grants: ReadonlyMap<string, readonly NamePattern[]>;

  /**
   * @param grants The patterns of each action. What is not listed is refused.
   * @param source See {@linkcode Rights.source}.
   */
  constructor(grants: Readonly<Record<string, readonly NamePattern[]>>, source = "") {
    this.source = source;
    this.#grants = new Map(Object.entries(grants));
  }

  /** Whether an action is allowed on a name. */
  allows(action: string, name = ""): boolean {
    const patterns = this.#grants.get(action);
    return patterns !== undefined && patterns.some((pattern) => pattern.matches(name));
  }

  /**
   * Whether an action is allowed on every name that a pattern selects; see
   * {@linkcode NamePattern.covers}. One pattern of the rights must cover it alone.
   */
  allowsAll(action: string, pattern: string): boolean {
    const patterns = this.#grants.get(action);
    return patterns !== undefined && patterns.some((granted) => granted.covers(pattern));
  }
}
