import process from "node:process";
import type { Log } from "../log.ts";

/**
 * For how long after the signal it is closed again and again: the runtime opens it some 3 ms after
 * the listener was called, and does not tell when.
 */
const CLOSING_MS = 1000;

/**
 * Closes V8's inspector again, which Deno opens on 127.0.0.1:9229 whenever it gets a SIGUSR1:
 * whoever can connect to that port, of whatever user, can make this process do anything.
 */
export class InspectorGuard implements Disposable {
  readonly #log: Log;
  readonly #onSignal = () => {
    clearTimeout(this.#timer);
    this.#closeUntil(performance.now() + CLOSING_MS);
  };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(log: Log) {
    this.#log = log;
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGUSR1", this.#onSignal);
  }

  #closeUntil(endMs: number): void {
    // It does what inspector.close() does, which needs a permission to look at the whole system.
    (process as unknown as { _debugEnd(): void })._debugEnd();
    if (performance.now() < endMs) {
      this.#timer = setTimeout(() => this.#closeUntil(endMs), 1);
    } else {
      this.#log.warn("SIGUSR1 had opened the debugger's port; it is closed again");
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGUSR1", this.#onSignal);
  }
}
