/**
 * The size classes of records. A record takes a slot of the smallest class that holds it. Classes
 * are 8 bytes apart up to 128 bytes, then an eighth of a power of two, so that a slot is at most an
 * eighth larger than its record.
 *
 * @module
 */

/** The smallest slot. */
export const MIN_SLOT_BYTES = 32;

/** The largest slot. A larger record has an array of its own. */
export const MAX_SLOT_BYTES = 32 * 1024;

const FINE_STEP_BYTES = 8;
const MAX_FINE_BYTES = 128;
const FINE_CLASSES = (MAX_FINE_BYTES - MIN_SLOT_BYTES) / FINE_STEP_BYTES + 1;
const MAX_FINE_POWER = 7;

/** The number of classes. */
export const SIZE_CLASSES = sizeClassOf(MAX_SLOT_BYTES) + 1;

/** The class of records of some size, which must not exceed {@linkcode MAX_SLOT_BYTES}. */
export function sizeClassOf(bytes: number): number {
  if (bytes <= MIN_SLOT_BYTES) return 0;
  if (bytes <= MAX_FINE_BYTES) return (bytes - MIN_SLOT_BYTES + FINE_STEP_BYTES - 1) >> 3;
  const power = 31 - Math.clz32(bytes - 1);
  const eighth = (bytes - 1 - (1 << power)) >> (power - 3);
  return FINE_CLASSES + (power - MAX_FINE_POWER) * 8 + eighth;
}

/** The size of the slots of a class, a multiple of 8. */
export function slotBytesOf(sizeClass: number): number {
  if (sizeClass < FINE_CLASSES) return MIN_SLOT_BYTES + sizeClass * FINE_STEP_BYTES;
  const power = MAX_FINE_POWER + ((sizeClass - FINE_CLASSES) >> 3);
  const eighth = (sizeClass - FINE_CLASSES) & 7;
  return (1 << power) + (eighth + 1) * (1 << (power - 3));
}
