/**
 * The gate of a store: closed while a transaction over whole spaces runs, and while the disk is far
 * behind.
 *
 * @module
 */

/** One closing of the gate, for a transaction. */
export interface GatePass {
  /** The transaction has begun. */
  begun(): void;
  /** The transaction has ended. */
  end(): void;
}

/** The gate. */
export class Gate {
  /** What writes wait for; `undefined` while the gate is open. */
  closed: Promise<void> | undefined;
  /**
   * What pages wait for: the end of a transaction that may write. Other reads only wait if they find
   * something that it has changed.
   */
  writing: Promise<void> | undefined;
  /** What every read waits for: the beginning of such a transaction, which was called before it. */
  beginning: Promise<void> | undefined;

  /** Closes the gate, which must be open, for a transaction. */
  close({ readOnly }: { readOnly: boolean }): GatePass {
    const beginning = Promise.withResolvers<void>(), end = Promise.withResolvers<void>();
    this.closed = end.promise;
    if (!readOnly) {
      this.writing = end.promise;
      this.beginning = beginning.promise;
    }
    const begun = () => {
      this.beginning = undefined;
      beginning.resolve();
    };
    return {
      begun,
      end: () => {
        begun();
        this.closed = this.writing = undefined;
        end.resolve();
      },
    };
  }

  /** Closes the gate, which must be open, until the disk has caught up. */
  closeUntil(caughtUp: Promise<void>): void {
    const open = () => this.closed = undefined;
    this.closed = caughtUp.then(open, open);
  }
}
