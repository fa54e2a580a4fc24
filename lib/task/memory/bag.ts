/** An item that knows its place in a {@linkcode Bag}. */
export interface Placed {
  place: number;
}

/** Items in no order. Adding and removing take constant time. */
export class Bag<T extends Placed> {
  readonly #items: T[] = [];

  /** The number of items. */
  get size(): number {
    return this.#items.length;
  }

  /** Adds an item. It must not be in a bag, nor in a heap that uses its place. */
  add(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  /** Removes an item. It must be in this bag. */
  remove(item: T): void {
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[item.place] = last;
      last.place = item.place;
    }
    item.place = -1;
  }

  /** Some of the items, at most `count`. */
  some(count: number): T[] {
    return this.#items.slice(0, count);
  }
}
