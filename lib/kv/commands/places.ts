/**
 * The places of the keys that a request names.
 *
 * @module
 */

import type { Key, Place } from "../../storage/store.ts";
import type { Request } from "../resp/request.ts";

/** The place of one key. */
export function placeOf(space: number, key: Key): [Place] {
  return [{ space, key }];
}

/** The places of the keys from an argument on, in steps of `step` arguments. */
export function placesFrom(request: Request, db: number, first = 1, step = 1): Place[] {
  const places: Place[] = [];
  for (let at = first; at < request.count; at += step) {
    places.push({ space: db, key: request.text(at) });
  }
  return places;
}

/** A place as the key of a map. */
export function placeName({ space, key }: Place): string {
  return `${space} ${key}`;
}
