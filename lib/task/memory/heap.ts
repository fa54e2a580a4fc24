/** The order of a {@linkcode Heap}, and where it stores the place of each item. */
export interface HeapOrder<T> {
  /** Whether `a` comes before `b`. */
  before(a: T, b: T): boolean;
  /** The place last stored by `setPlace`; -1 if the item is in no heap. */
  place(item: T): number;
  /** Stores the place of an item, in the item itself. */
  setPlace(item: T, place: number): void;
}

/** A binary heap whose items know their place, so that any of them can be removed in O(log n). */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #order: HeapOrder<T>;

  constructor(order: HeapOrder<T>) {
    this.#order = order;
  }

  /** The number of items. */
  get size(): number {
    return this.#items.length;
  }

  /** The first item. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** The item at an index, in no order; `undefined` beyond the last. */
  at(index: number): T | undefined {
    return this.#items[index];
  }

  /** Whether it holds this item. The item must not be in another heap. */
  has(item: T): boolean {
    return this.#items[this.#order.place(item)] === item;
  }

  /** Adds an item. It must not be in the heap. */
  push(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Removes an item. It must be in the heap. */
  remove(item: T): void {
    const place = this.#order.place(item);
    this.#order.setPlace(item, -1);
    const last = this.#items.pop()!;
    if (last !== item) this.#settle(last, place);
  }

  /** Restores the order after the key of an item has changed. */
  update(item: T): void {
    this.#settle(item, this.#order.place(item));
  }

  /** The first items in order, at most `count`. Takes O(count log count) for a heap of any size. */
  firstItems(count: number): T[] {
    const items = this.#items;
    // The next item in order is a child of one that came before it, so only those are compared.
    const open = new Heap<number>({
      before: (a, b) => this.#order.before(items[a]!, items[b]!),
      place: () => 0, // only the first place is ever removed
      setPlace: () => {},
    });
    if (items.length > 0) open.push(0);
    const first: T[] = [];
    while (first.length < count && open.size > 0) {
      const place = open.first!;
      open.remove(place);
      first.push(items[place]!);
      for (const child of [2 * place + 1, 2 * place + 2]) {
        if (child < items.length) open.push(child);
      }
    }
    return first;
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
