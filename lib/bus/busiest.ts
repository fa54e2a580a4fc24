/** How many subjects are told apart at the same time. */
export const BUSIEST_MAX_SUBJECTS = 100;

/**
 * Counts messages by subject for the busiest subjects, in bounded memory: the Space-Saving algorithm
 * (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data
 * Streams", 2005). When a new subject comes and every place is taken, it takes the place of the
 * subject with the lowest count, and inherits that count as its possible error. So a subject that is
 * busy enough always gets a place and keeps it, however many others come and go.
 */
export class BusiestSubjects {
  readonly #places = new Map<string, number>();
  readonly #subjects: string[] = [];
  /** By place: messages counted, those of subjects that held the place before included. */
  readonly #counts = new Float64Array(BUSIEST_MAX_SUBJECTS);
  /** By place: its count when the present subject took it. */
  readonly #inherited = new Float64Array(BUSIEST_MAX_SUBJECTS);

  /** Counts messages on a subject. */
  add(subject: string, messages: number): void {
    const place = this.#places.get(subject) ?? this.#takePlace(subject);
    this.#counts[place]! += messages;
  }

  /**
   * The messages on each subject since it got its place. Subjects with one message are left out:
   * most of them, such as the inboxes of requests, are never used again.
   */
  *[Symbol.iterator](): Generator<{ subject: string; messages: number }> {
    for (const [subject, place] of this.#places) {
      const messages = this.#counts[place]! - this.#inherited[place]!;
      if (messages > 1) yield { subject, messages };
    }
  }

  #takePlace(subject: string): number {
    let place = this.#subjects.length;
    if (place === BUSIEST_MAX_SUBJECTS) {
      place = 0;
      for (let i = 1; i < BUSIEST_MAX_SUBJECTS; i++) {
        if (this.#counts[i]! < this.#counts[place]!) place = i;
      }
      this.#places.delete(this.#subjects[place]!);
      this.#inherited[place] = this.#counts[place]!;
    }
    this.#subjects[place] = subject;
    this.#places.set(subject, place);
    return place;
  }
}
