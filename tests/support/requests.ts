import assert from "node:assert/strict";

/** Has a source give pieces, and keeps the request that each was read for. */
export function sourceOf(pieces: readonly Uint8Array[]) {
  const requests: number[] = [];
  let next = 0;
  return {
    requests,
    read(into: Uint8Array, request?: number) {
      requests.push(request ?? NaN);
      const piece = pieces[next++];
      if (piece === undefined) return Promise.resolve(null);
      into.set(piece);
      return Promise.resolve(piece.length);
    },
  };
}

/** Whether each read was for the right one of the units that end at `ends`. */
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

/** Bytes in pieces, whose sizes come over and over, and where each of them is read. */
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
