import { DEFAULT_TUBE } from "../queue.ts";
import type { LocalTube } from "./local_tube.ts";

/** What a client's subscriptions need of the queue. */
export interface LocalTubes {
  /** The tube of this name, created if needed; `undefined` at `max_tubes`. */
  openTube(name: string): LocalTube | undefined;
  /** Drops a tube that no client of this daemon uses or watches. */
  leaveTube(tube: LocalTube): void;
}

/** The tubes that one client uses and watches. */
export class SharedSubscriptions {
  /** The watched tubes, in their order. */
  readonly watches: LocalTube[];
  readonly #tubes: LocalTubes;
  #used: LocalTube;

  /** Uses and watches the tube "default". */
  constructor(tubes: LocalTubes) {
    this.#tubes = tubes;
    this.#used = tubes.openTube(DEFAULT_TUBE)!;
    this.#used.using++;
    this.#used.watching++;
    this.watches = [this.#used];
  }

  /** The tube it puts into. */
  get used(): LocalTube {
    return this.#used;
  }

  /** The names of the watched tubes. */
  get watched(): string[] {
    return this.watches.map(({ name }) => name);
  }

  /** Puts into this tube from now on; `false` if there are too many tubes. */
  use(name: string): boolean {
    const before = this.#used;
    if (name === before.name) return true;
    before.using--;
    this.#tubes.leaveTube(before);
    const tube = this.#tubes.openTube(name);
    this.#used = tube ?? this.#tubes.openTube(before.name)!;
    this.#used.using++;
    return tube !== undefined;
  }

  /** Reserves from this tube as well; `false` if there are too many tubes. */
  watch(name: string): boolean {
    const tube = this.#tubes.openTube(name);
    if (tube === undefined) return false;
    if (this.watches.includes(tube)) return true;
    tube.watching++;
    this.watches.push(tube);
    return true;
  }

  /** Stops watching a tube; `false` if it is the only one watched. */
  ignore(name: string): boolean {
    const place = this.watches.findIndex((tube) => tube.name === name);
    if (place === -1) return true;
    if (this.watches.length === 1) return false;
    const [tube] = this.watches.splice(place, 1);
    tube!.watching--;
    this.#tubes.leaveTube(tube!);
    return true;
  }

  /** Uses and watches nothing any more. */
  close(): void {
    this.#used.using--;
    this.#tubes.leaveTube(this.#used);
    for (const tube of this.watches) {
      tube.watching--;
      this.#tubes.leaveTube(tube);
    }
  }
}
