import assert from "node:assert/strict";

/**
 * A source that yields pieces, and records the request number that the first read of each was for.
 * Like a socket, it keeps what exceeds the space of a read for the next one.
 */
export function sourceOf(pieces: readonly Uint8Array[]) {
  const requests: number[] = [];
  let next = 0;
  let rest = new Uint8Array();
  return {
    requests,
    read(into: Uint8Array, request?: number) {
      if (rest.length === 0) {
        requests.push(request ?? NaN);
        const piece = pieces[next++];
        if (piece === undefined) return Promise.resolve(null);
        rest = new Uint8Array(piece);
      }
      const count = Math.min(rest.length, into.length);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return Promise.resolve(count);
    },
  };
}

/**
 * Checks that each read was made for the right request.
 *
 * @param requests The request number of each read; 0 between requests.
 * @param cuts The offset of each read.
 * @param ends The offsets at which requests end.
 */
export function checkRequests(
  requests: readonly number[],
  cuts: readonly number[],
  ends: number[],
): void {
  const names = new Map<number, number>();
  for (const [i, at] of cuts.entries()) {
    const unit = ends.filter((end) => end <= at).length;
    const begun = at > (ends[unit - 1] ?? 0);
    assert.equal(requests[i] !== 0, begun, `read ${i}`);
    if (!begun) continue;
    assert.equal(names.get(unit) ?? requests[i], requests[i], "one request has one number");
    names.set(unit, requests[i]!);
  }
  assert.equal(new Set(names.values()).size, names.size, "two requests have two numbers");
}

/** Cuts bytes into pieces whose sizes repeat; `cuts` has the offset of each read. */
export function piecesOf(bytes: Uint8Array, sizes: readonly number[]) {
  const pieces: Uint8Array[] = [];
  const cuts = [0];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const piece = bytes.subarray(at, at + sizes[i % sizes.length]!);
    pieces.push(piece);
    cuts.push(at += piece.length);
  }
  return { pieces, cuts };
}
