/**
 * What all who listen have in common: sockets with a path, and words for what can go wrong.
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";

/**
 * Listens on an address.
 *
 * @param address Where; port 0 picks a free port. The socket file of a dead process is replaced.
 * @throws {Error} If it cannot be bound; the message names it.
 */
export async function bind(address: Address): Promise<Deno.Listener> {
  try {
    if (address.transport === "tcp") {
      return Deno.listen({ hostname: address.hostname, port: address.port });
    }
    await removeDeadSocket(address.path);
    return Deno.listen({ transport: "unix", path: address.path });
  } catch (cause) {
    throw listenError(address, cause);
  }
}

/** Removes the file of a socket that nobody listens on any more, if a path is one. */
export async function removeDeadSocket(path: string): Promise<void> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) return;
    if ((await Deno.stat(path)).isSocket) removeSocketFile(path);
  }
}

/** Removes the file of a socket, if it is there. */
export function removeSocketFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The error of one who cannot listen on an address; the message names it and says why. */
export function listenError(address: Address, cause: unknown): Error {
  const message = `Cannot listen on ${formatAddress(address)}: ${explain(cause)}`;
  return new Error(message, { cause });
}

function explain(error: unknown): string {
  const { code } = error as { code?: string };
  if (error instanceof Deno.errors.AddrInUse || code === "EADDRINUSE") {
    return "the address is taken by another program";
  }
  if (error instanceof Deno.errors.AddrNotAvailable || code === "EADDRNOTAVAIL") {
    return "this machine has no such address";
  }
  if (error instanceof Deno.errors.PermissionDenied || code === "EACCES") {
    return "permission denied";
  }
  return error instanceof Error ? error.message : String(error);
}
