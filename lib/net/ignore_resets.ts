/**
 * Keeps a reset connection from ending the process until this is disposed. While
 * `@nats-io/transport-node` connects, it leaves its socket without a listener for errors now and
 * then. The attempt to connect fails, too, so nothing goes unnoticed.
 */
export function ignoreResets(): Disposable {
  function ignore(event: ErrorEvent): void {
    const { code } = (event.error ?? {}) as { code?: unknown };
    if (code === "ECONNRESET") event.preventDefault();
  }
  globalThis.addEventListener("error", ignore);
  return { [Symbol.dispose]: () => globalThis.removeEventListener("error", ignore) };
}
