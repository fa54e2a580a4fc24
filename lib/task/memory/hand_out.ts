import type { Chores } from "./chores.ts";
import type { JobTube } from "./job.ts";

/**
 * The most jobs handed out in one turn. Each is a reply to another client, and the write of a reply
 * takes about 20 µs, ten times as long as handing out the job.
 */
export const MAX_HAND_OUTS = 64;

/** Hands ready jobs to the clients that wait for them, in turns if they are many. */
export class HandOut {
  readonly #chores: Chores;
  readonly #allowed: () => boolean;

  /** @param allowed Whether workers get jobs at present. */
  constructor(chores: Chores, allowed: () => boolean) {
    this.#chores = chores;
    this.#allowed = allowed;
  }

  /** Serves the waiting clients of a tube, first come, first served. */
  serve(tube: JobTube): void {
    if (tube.serving) return;
    if (!this.#canServe(tube)) return awaitToken(tube);
    tube.serving = true;
    this.#chores.run(() => {
      tube.serving = this.#canServe(tube);
      if (tube.serving) tube.waiting.first!.worker.take(tube.ready.first!);
      else awaitToken(tube);
      return tube.serving;
    }, { maxSteps: MAX_HAND_OUTS });
  }

  #canServe(tube: JobTube): boolean {
    return tube.waiting.first !== null && tube.open && this.#allowed();
  }
}

/** Sets the timer for the next token of a tube, if a client waits for no more than that. */
function awaitToken(tube: JobTube): void {
  if (tube.awaitsToken) tube.rate!.awaitToken();
}
