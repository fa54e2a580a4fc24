/**
 * Binding an address: leftover socket files, and errors that say what is wrong.
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";

/**
 * Listens on an address.
 *
 * @param address The address. Port 0 picks a free port. A socket file left by a dead process is
 * replaced.
 * @throws {Error} If the address cannot be bound; the message names it.
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

/** Removes a socket file that no process listens on any more; leaves anything else alone. */
export async function removeDeadSocket(path: string): Promise<void> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) return;
    if ((await Deno.stat(path)).isSocket) removeSocketFile(path);
  }
}

/** Removes a socket file, if it exists. */
export function removeSocketFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Makes the error for an address that cannot be bound; its message names the address and why. */
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
