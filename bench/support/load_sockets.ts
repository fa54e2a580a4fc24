/**
 * TCP connections for a load generator. A generator that awaits a promise per read uses as much CPU as
 * the server that it measures. This one calls the C library instead: one `epoll_wait` for all
 * connections, and one `recv` or `send` each. For Linux on x86-64 and ARM64.
 *
 * @module
 */

const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;

/** `struct epoll_event` is packed on x86-64 only. */
const EVENT = Deno.build.arch === "x86_64" ? { bytes: 12, data: 4 } : { bytes: 16, data: 8 };
const EVENTS_MAX = 1024;

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
} as const;

/** Many connections to one port of 127.0.0.1. */
export class LoadSockets implements Disposable {
  readonly #libc = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #call = this.#libc.symbols;
  readonly #epoll: number;
  readonly #sockets: number[] = [];
  readonly #events = new Uint8Array(EVENTS_MAX * EVENT.bytes);
  readonly #eventsView = new DataView(this.#events.buffer);
  /** Buffer with the data of the last `recv`. */
  readonly received: Uint8Array<ArrayBuffer>;

  /**
   * @param options `receiveBytes`: size of the buffer for one `recv`. @default {65536}
   */
  constructor(options: { receiveBytes?: number } = {}) {
    this.received = new Uint8Array(options.receiveBytes ?? 65536);
    this.#epoll = this.#must("epoll_create1", this.#call.epoll_create1(0));
  }

  /** Number of connections. */
  get count(): number {
    return this.#sockets.length;
  }

  /**
   * Opens more connections.
   *
   * @throws {Error} If the system or the server refuses one.
   */
  connect(port: number, count: number): void {
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_INET, true);
    view.setUint16(2, port, false);
    address.set([127, 0, 0, 1], 4);
    const on = new Uint8Array([1, 0, 0, 0]);
    const event = new Uint8Array(EVENT.bytes);
    const eventView = new DataView(event.buffer);
    for (let i = 0; i < count; i++) {
      const socket = this.#must("socket", this.#call.socket(AF_INET, SOCK_STREAM, 0));
      this.#sockets.push(socket);
      this.#must("connect", this.#call.connect(socket, address, address.length));
      this.#must("setsockopt", this.#call.setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, on, 4));
      eventView.setUint32(0, EPOLLIN, true);
      eventView.setUint32(EVENT.data, this.#sockets.length - 1, true);
      this.#must("epoll_ctl", this.#call.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, socket, event));
    }
  }

  /**
   * Sends all bytes; blocks while the kernel's buffer is full.
   *
   * @throws {Error} If the server closed the connection.
   */
  send(index: number, bytes: Uint8Array<ArrayBuffer>): void {
    const socket = this.#sockets[index]!;
    for (let sent = 0; sent < bytes.length;) {
      const rest = sent === 0 ? bytes : bytes.subarray(sent);
      const count = this.#call.send(socket, rest, BigInt(rest.length), MSG_NOSIGNAL);
      sent += this.#must("send", Number(count));
    }
  }

  /**
   * Waits for data, and receives once from each readable connection.
   *
   * @param onReceived Called with the connection's index and the number of bytes in `received`.
   * @param timeoutMs Longest silence. @default {10000}
   * @throws {Error} If nothing arrives in time, or the server closes a connection.
   */
  receive(onReceived: (index: number, bytes: number) => void, timeoutMs = 10_000): void {
    const ready = this.#must(
      "epoll_wait",
      this.#call.epoll_wait(this.#epoll, this.#events, EVENTS_MAX, timeoutMs),
    );
    if (ready === 0) throw new Error(`Cannot continue: the server was silent for ${timeoutMs} ms`);
    const { received } = this;
    const size = BigInt(received.length);
    for (let i = 0; i < ready; i++) {
      const index = this.#eventsView.getUint32(i * EVENT.bytes + EVENT.data, true);
      const bytes = Number(this.#call.recv(this.#sockets[index]!, received, size, MSG_DONTWAIT));
      if (bytes <= 0) throw new Error("Cannot continue: the server closed a connection");
      onReceived(index, bytes);
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) this.#call.close(socket);
    this.#call.close(this.#epoll);
    this.#libc.close();
  }

  #must(action: string, result: number): number {
    if (result < 0) throw new Error(`Cannot ${action}: the system refused it`);
    return result;
  }
}
