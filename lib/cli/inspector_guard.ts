import process from "node:process";
import type { Log } from "../log.ts";

/**
 * How long to keep closing the inspector after the signal. The runtime opens it some 3 ms after it
 * has called the listener, and does not tell when.
 */
const CLOSING_MS = 1000;

/** A function of Node.js that no type declares; Deno 2.6.10 did not have it. */
interface InspectorProcess {
  _debugEnd?(): void;
}

/**
 * Closes V8's inspector, which Deno opens on 127.0.0.1:9229 whenever it receives SIGUSR1. Any local
 * user who can connect to that port controls this process.
 */
export class InspectorGuard implements Disposable {
  readonly #log: Log;
  readonly #onSignal = () => {
    clearTimeout(this.#timer);
    this.#closeUntil(performance.now() + CLOSING_MS);
  };
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param log Gets a warning each time the inspector was opened. */
  constructor(log: Log) {
    this.#log = log;
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGUSR1", this.#onSignal);
  }

  #closeUntil(endMs: number): void {
    const { _debugEnd } = process as unknown as InspectorProcess;
    if (_debugEnd === undefined) {
      this.#log.warn(
        "SIGUSR1 has opened the debugger's port; this version of Deno cannot close it",
      );
      return;
    }
    // The same as inspector.close(), which needs --allow-sys.
    _debugEnd.call(process);
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
