/** A member of a {@linkcode List}. It carries its own links, so it is in one list at most. */
export interface Linked<T> {
  previous: T | null;
  next: T | null;
}

/** A first-in, first-out list from which any member can be removed in O(1). */
export class List<T extends Linked<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  /** The number of members. */
  get size(): number {
    return this.#size;
  }

  /** The oldest member. */
  get first(): T | null {
    return this.#first;
  }

  /** The members from one index up to another, oldest first. Passes over those before. */
  slice(from: number, end: number): T[] {
    const members: T[] = [];
    let item = this.#first;
    for (let index = 0; item !== null && index < end; index++, item = item.next) {
      if (index >= from) members.push(item);
    }
    return members;
  }

  /** Adds a member at the end. It must not be in a list. */
  push(item: T): void {
    item.previous = this.#last;
    item.next = null;
    if (this.#last === null) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
    this.#size++;
  }

  /** Removes a member. It must be in this list. */
  remove(item: T): void {
    if (item.previous === null) this.#first = item.next;
    else item.previous.next = item.next;
    if (item.next === null) this.#last = item.previous;
    else item.next.previous = item.previous;
    item.previous = item.next = null;
    this.#size--;
  }
}
