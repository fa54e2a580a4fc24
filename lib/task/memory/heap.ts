/** The order of a {@linkcode Heap}, and where it stores the place of each item. */
export interface HeapOrder<T> {
  /** Whether `a` comes before `b`. */
  before(a: T, b: T): boolean;
  /** The place last stored by `setPlace`; -1 if the item is in no heap. */
  place(item: T): number;
  /** Stores the place of an item, in the item itself. */
  setPlace(item: T, place: number): void;
}

/** How many items a piece of a heap has, as a power of two. */
const PIECE_BITS = 12;
const PIECE_ITEMS = 1 << PIECE_BITS;
const PIECE_MASK = PIECE_ITEMS - 1;

/**
 * A binary heap whose items know their place, so that any of them can be removed in O(log n).
 *
 * It is kept in pieces: an array is copied when it grows, and with a million items, the one `push`
 * that does so takes 20 ms and more. The loops index the pieces themselves, since a method for that
 * made them half as fast.
 */
export class Heap<T> {
  /** The item at an index is in the piece `index >> PIECE_BITS`. All pieces but the last are full. */
  readonly #pieces: T[][] = [[]];
  readonly #order: HeapOrder<T>;
  #size = 0;

  constructor(order: HeapOrder<T>) {
    this.#order = order;
  }

  /** The number of items. */
  get size(): number {
    return this.#size;
  }

  /** The first item. */
  get first(): T | undefined {
    return this.#pieces[0]![0];
  }

  /** The item at an index, in no order; `undefined` beyond the last. */
  at(index: number): T | undefined {
    return this.#pieces[index >> PIECE_BITS]?.[index & PIECE_MASK];
  }

  /** Adds an item. It must not be in the heap. */
  push(item: T): void {
    const place = this.#size++;
    const piece = place >> PIECE_BITS;
    if (piece === this.#pieces.length) this.#pieces.push([]);
    this.#pieces[piece]!.push(item);
    this.#rise(item, place);
  }

  /** Removes an item. It must be in the heap. */
  remove(item: T): void {
    const place = this.#order.place(item);
    this.#order.setPlace(item, -1);
    const size = --this.#size;
    const last = this.#pieces[size >> PIECE_BITS]!.pop()!;
    // The first piece stays: a short heap is empty again and again.
    if ((size & PIECE_MASK) === 0 && size > 0) this.#pieces.pop();
    if (last !== item) this.#settle(last, place);
  }

  /** Restores the order after the key of an item has changed. */
  update(item: T): void {
    this.#settle(item, this.#order.place(item));
  }

  /** The first items in order, at most `count`. Takes O(count log count) for a heap of any size. */
  firstItems(count: number): T[] {
    // The next item in order is a child of one that came before it, so only those are compared.
    const open = new Heap<number>({
      before: (a, b) => this.#order.before(this.at(a)!, this.at(b)!),
      place: () => 0, // only the first place is ever removed
      setPlace: () => {},
    });
    if (this.#size > 0) open.push(0);
    const first: T[] = [];
    while (first.length < count && open.size > 0) {
      const place = open.first!;
      open.remove(place);
      first.push(this.at(place)!);
      for (const child of [2 * place + 1, 2 * place + 2]) {
        if (child < this.#size) open.push(child);
      }
    }
    return first;
  }

  #settle(item: T, place: number): void {
    if (place > 0 && this.#order.before(item, this.at((place - 1) >> 1)!)) this.#rise(item, place);
    else this.#sink(item, place);
  }

  #rise(item: T, place: number): void {
    const pieces = this.#pieces;
    const order = this.#order;
    while (place > 0) {
      const up = (place - 1) >> 1;
      const parent = pieces[up >> PIECE_BITS]![up & PIECE_MASK]!;
      if (!order.before(item, parent)) break;
      pieces[place >> PIECE_BITS]![place & PIECE_MASK] = parent;
      order.setPlace(parent, place);
      place = up;
    }
    pieces[place >> PIECE_BITS]![place & PIECE_MASK] = item;
    order.setPlace(item, place);
  }

  #sink(item: T, place: number): void {
    const pieces = this.#pieces;
    const order = this.#order;
    const size = this.#size;
    while (true) {
      let down = 2 * place + 1;
      if (down >= size) break;
      let child = pieces[down >> PIECE_BITS]![down & PIECE_MASK]!;
      if (down + 1 < size) {
        const second = pieces[(down + 1) >> PIECE_BITS]![(down + 1) & PIECE_MASK]!;
        if (order.before(second, child)) {
          child = second;
          down++;
        }
      }
      if (!order.before(child, item)) break;
      pieces[place >> PIECE_BITS]![place & PIECE_MASK] = child;
      order.setPlace(child, place);
      place = down;
    }
    pieces[place >> PIECE_BITS]![place & PIECE_MASK] = item;
    order.setPlace(item, place);
  }
}
