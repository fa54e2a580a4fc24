/**
 * Dead letters: a tube may name another one that receives the jobs it has given up.
 *
 * @module
 */

/**
 * Finds the tubes whose dead letters would come back to them.
 *
 * @param deadLetterOf The tube that receives the dead letters of a tube; `undefined` for none.
 * @param tubes The tubes to look at.
 * @returns Each loop once, as the tubes along it; the last is the first again.
 */
export function deadLetterLoops(
  deadLetterOf: (tube: string) => string | undefined,
  tubes: readonly string[],
): string[][] {
  const loops: string[][] = [];
  const visited = new Set<string>();
  for (const tube of tubes) {
    const way: string[] = [];
    let at: string | undefined = tube;
    while (at !== undefined && !visited.has(at)) {
      visited.add(at);
      way.push(at);
      at = deadLetterOf(at);
    }
    // The way ended at a tube that was visited before: a loop only if that was on this way.
    if (at !== undefined && way.includes(at)) loops.push([...way.slice(way.indexOf(at)), at]);
  }
  return loops;
}
