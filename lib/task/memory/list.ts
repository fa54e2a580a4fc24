/** A member of a {@linkcode List}; it carries its own links, and is in one list at most. */
export interface Linked<T> {
  previous: T | null;
  next: T | null;
}

/** A first-in-first-out list from whose middle any member can be taken at once. */
export class List<T extends Linked<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  /** How many members it has. */
  get size(): number {
    return this.#size;
  }

  /** The member that has been in it longest. */
  get first(): T | null {
    return this.#first;
  }

  /** Adds a member at the end, which must be in no list. */
  push(item: T): void {
    item.previous = this.#last;
    item.next = null;
    if (this.#last === null) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
    this.#size++;
  }

  /** Takes a member out, which must be in this list. */
  remove(item: T): void {
    if (item.previous === null) this.#first = item.next;
    else item.previous.next = item.next;
    if (item.next === null) this.#last = item.previous;
    else item.next.previous = item.previous;
    item.previous = item.next = null;
    this.#size--;
  }
}
