/**
 * Starting worker threads without holding up the thread that wants them.
 *
 * `new Worker` returns when the new thread has set up its engine, which takes 40 ms of a processor,
 * and 400 ms on a busy machine. All clients of a daemon would wait that long whenever a sort begins.
 * So a daemon starts one thread when it starts itself, and that one starts the others.
 *
 * @module
 */

import { startWorker } from "../../worker.ts";

/** The name of the thread that starts others. */
export const WORKER_STARTER_NAME = "quartet-sort-starter";

/** What a sort needs of a worker; a {@linkcode Worker} has it. */
export interface WorkerHandle {
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
}

/** The first message to a worker whose messages come through a port. */
export interface ConnectMessage {
  kind: "connect";
  port: MessagePort;
}

/** Names the module of a worker; see {@linkcode startWorker}. */
interface WorkerModule {
  name: string;
  module: string;
}

type ToStarter =
  | { kind: "start"; id: number; worker: WorkerModule; port: MessagePort }
  | { kind: "end"; id: number };

interface FromStarter {
  id: number;
  message: string;
}

/** Starts workers on a thread of its own. */
export class WorkerStarter implements Disposable {
  readonly #thread = startWorker(WORKER_STARTER_NAME, "mesh/sort/worker_starter.ts");
  readonly #started = new Map<number, StartedWorker>();
  #lastId = 0;

  constructor() {
    this.#thread.onmessage = ({ data: { id, message } }: MessageEvent<FromStarter>) => {
      this.#started.get(id)?.fail(message);
    };
    this.#thread.onerror = (event) => {
      // An unhandled error in a worker would end the whole program.
      event.preventDefault();
      for (const worker of this.#started.values()) worker.fail(event.message);
    };
  }

  /** Starts a worker. What is sent to it before it runs is delivered then. */
  start(name: string, module: string): WorkerHandle {
    const { port1, port2 } = new MessageChannel();
    const id = ++this.#lastId;
    this.#post({ kind: "start", id, worker: { name, module }, port: port2 }, [port2]);
    const worker = new StartedWorker(port1, () => {
      this.#started.delete(id);
      this.#post({ kind: "end", id });
    });
    this.#started.set(id, worker);
    return worker;
  }

  /** Ends its thread, and with it all workers that it has started. */
  [Symbol.dispose](): void {
    this.#thread.terminate();
  }

  #post(message: ToStarter, transfer: Transferable[] = []): void {
    this.#thread.postMessage(message, transfer);
  }
}

/** A worker that another thread has started. */
class StartedWorker implements WorkerHandle {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  readonly #port: MessagePort;
  readonly #end: () => void;

  constructor(port: MessagePort, end: () => void) {
    this.#port = port;
    this.#end = end;
    port.onmessage = (event) => this.onmessage?.(event);
  }

  postMessage(message: unknown): void {
    this.#port.postMessage(message);
  }

  terminate(): void {
    this.#port.close();
    this.#end();
  }

  fail(message: string): void {
    this.onerror?.(new ErrorEvent("error", { message, cancelable: true }));
  }
}

/** The part of a worker's global scope that is used here. */
interface StarterScope {
  name: string;
  onmessage: ((event: MessageEvent<ToStarter>) => void) | null;
  postMessage(message: FromStarter): void;
}

/** Starts and ends workers for the thread that started this one. */
function serveStarter(scope: StarterScope): void {
  const workers = new Map<number, Worker>();
  scope.onmessage = ({ data }) => {
    const { kind, id } = data;
    if (kind === "end") {
      workers.get(id)?.terminate();
      workers.delete(id);
      return;
    }
    const worker = startWorker(data.worker.name, data.worker.module);
    worker.onerror = (event) => {
      event.preventDefault();
      scope.postMessage({ id, message: event.message });
    };
    const message: ConnectMessage = { kind: "connect", port: data.port };
    worker.postMessage(message, [data.port]);
    workers.set(id, worker);
  };
}

const scope = globalThis as unknown as StarterScope;
if ("WorkerGlobalScope" in globalThis && scope.name === WORKER_STARTER_NAME) serveStarter(scope);
