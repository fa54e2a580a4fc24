import { Turn } from "../../lib/turn.ts";

/**
 * Decides for all work when its turn is over, and counts the turns, until it is disposed. A test file
 * shares its thread with others, so this must not outlast a test.
 */
export class ControlledTurns implements Disposable {
  /** The turns that have ended. */
  count = 0;
  /** Whether a turn is over. */
  isOver: () => boolean;
  readonly #over = Object.getOwnPropertyDescriptor(Turn.prototype, "over")!;
  readonly #next = Turn.prototype.next;

  constructor(isOver: () => boolean) {
    this.isOver = isOver;
    const count = () => this.count++;
    const next = this.#next;
    Object.defineProperty(Turn.prototype, "over", { get: () => this.isOver(), configurable: true });
    Turn.prototype.next = function () {
      count();
      return next.call(this);
    };
  }

  /** Runs something; the number of turns that end meanwhile. */
  async during(run: () => Promise<unknown>): Promise<number> {
    const before = this.count;
    await run();
    return this.count - before;
  }

  [Symbol.dispose](): void {
    Object.defineProperty(Turn.prototype, "over", this.#over);
    Turn.prototype.next = this.#next;
  }
}
