/** What tells a {@linkcode Heap} the order of its items and lets it remember where each one is. */
export interface HeapOrder<T> {
  /** Whether `a` comes before `b`. */
  before(a: T, b: T): boolean;
  /** The place that `setPlace` kept; -1 when it is in no heap. */
  place(item: T): number;
  /** Keeps the place of an item in the heap, on the item itself. */
  setPlace(item: T, place: number): void;
}

/**
 * A binary heap whose items know their place, so that any of them can be taken out or moved in
 * logarithmic time.
 */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #order: HeapOrder<T>;

  constructor(order: HeapOrder<T>) {
    this.#order = order;
  }

  /** How many items it holds. */
  get size(): number {
    return this.#items.length;
  }

  /** The item that comes before all others. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** Whether it holds this item, which must be of this heap or of none. */
  has(item: T): boolean {
    return this.#items[this.#order.place(item)] === item;
  }

  /** Puts an item in, which must not be in it. */
  push(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Takes an item out, which must be in it. */
  remove(item: T): void {
    const place = this.#order.place(item);
    this.#order.setPlace(item, -1);
    const last = this.#items.pop()!;
    if (last !== item) this.#settle(last, place);
  }

  /** Mends the order after the key of an item has changed. */
  update(item: T): void {
    this.#settle(item, this.#order.place(item));
  }

  #settle(item: T, place: number): void {
    const parent = this.#items[(place - 1) >> 1];
    if (place > 0 && this.#order.before(item, parent!)) this.#rise(item, place);
    else this.#sink(item, place);
  }

  #rise(item: T, place: number): void {
    const items = this.#items;
    const order = this.#order;
    while (place > 0) {
      const up = (place - 1) >> 1;
      const parent = items[up]!;
      if (!order.before(item, parent)) break;
      items[place] = parent;
      order.setPlace(parent, place);
      place = up;
    }
    items[place] = item;
    order.setPlace(item, place);
  }

  #sink(item: T, place: number): void {
    const items = this.#items;
    const order = this.#order;
    const size = items.length;
    while (true) {
      let down = 2 * place + 1;
      if (down >= size) break;
      if (down + 1 < size && order.before(items[down + 1]!, items[down]!)) down++;
      const child = items[down]!;
      if (!order.before(child, item)) break;
      items[place] = child;
      order.setPlace(child, place);
      place = down;
    }
    items[place] = item;
    order.setPlace(item, place);
  }
}
