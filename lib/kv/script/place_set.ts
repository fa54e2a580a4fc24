/**
 * The places that a script may use.
 *
 * @module
 */

import type { Place } from "../../storage/store.ts";
import { placeName } from "../commands/places.ts";

/** Up to this many places are compared one by one, which costs less than making a name of each. */
const MAX_COMPARED = 8;

/** A set of places, which are few as a rule. */
export class PlaceSet {
  readonly #places: Place[] = [];
  #names: Set<string> | undefined;

  /** All places, in the order in which they were added. */
  get all(): readonly Place[] {
    return this.#places;
  }

  /** Whether a place is in the set. */
  has(place: Place): boolean {
    if (this.#names !== undefined) return this.#names.has(placeName(place));
    for (const { space, key } of this.#places) {
      if (key === place.key && space === place.space) return true;
    }
    return false;
  }

  /** Adds a place, if it is not there. */
  add(place: Place): void {
    if (this.has(place)) return;
    this.#places.push(place);
    if (this.#names !== undefined) this.#names.add(placeName(place));
    else if (this.#places.length > MAX_COMPARED) this.#names = new Set(this.#places.map(placeName));
  }
}
