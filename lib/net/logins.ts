/** A login that a changed configuration can end. */
export interface RevisableLogin<Guard> {
  /**
   * Follows a new guard; see `Login.revise`.
   *
   * @returns Whether the connection was closed.
   */
  revise(guard: Guard | undefined, keep: boolean): boolean;
  /** Whether {@linkcode revise} would close the connection, if it may. */
  isRevokedBy(guard: Guard | undefined): boolean;
}

/** The logins of one service whose connections are open. */
export class Logins<Guard> {
  readonly #open = new Set<RevisableLogin<Guard>>();

  /** Adds a login; remove it when its connection ends. */
  add(login: RevisableLogin<Guard>): void {
    this.#open.add(login);
  }

  /** Removes a login, if it is here. */
  delete(login: RevisableLogin<Guard>): void {
    this.#open.delete(login);
  }

  /**
   * Lets all logins follow a new guard; `undefined` if the service needs no token any more.
   *
   * @param keep Whether to keep connections whose tokens are gone or changed.
   * @returns How many connections were closed.
   */
  revise(guard: Guard | undefined, keep = false): number {
    let closed = 0;
    // A copy, because logins that go on belong to the new guard from then on.
    for (const login of [...this.#open]) if (login.revise(guard, keep)) closed++;
    return closed;
  }

  /** How many connections {@linkcode revise} would close, if it may. */
  countRevokedBy(guard: Guard | undefined): number {
    let revoked = 0;
    for (const login of this.#open) if (login.isRevokedBy(guard)) revoked++;
    return revoked;
  }
}
