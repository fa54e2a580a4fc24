/**
 * How the nodes of a mesh trust each other over TLS: who calls checks the certificate of who is
 * called, and shows its own if callers need one. docs/security.md says what that protects.
 *
 * @module
 */

import { type Address, formatAddress } from "../../net/address.ts";
import type { TlsTrust } from "../../net/connect.ts";
import { readIssuers, readTlsFiles, type TlsFiles } from "../../net/tls.ts";

/** The files of a node, in PEM. */
export interface PeerTlsFiles extends TlsFiles {
  /** Whose certificates are taken; without it those of the issuers that Deno trusts. */
  ca?: string | undefined;
}

/** Thrown when TLS with a node does not come about, and to try again would not help. */
export class PeerTlsError extends Error {
  override name = "PeerTlsError";
}

/**
 * Reads whom a node trusts, and what it shows to nodes that it calls.
 *
 * @throws {Error} If a file cannot be read or used; the message names it.
 */
export function readTrust(files: PeerTlsFiles): TlsTrust {
  const { ca, clientCa } = files;
  const caCerts = ca === undefined ? [] : [readIssuers(ca)];
  if (clientCa === undefined) return { caCerts };
  const { cert, key } = readTlsFiles(files);
  return { caCerts, identity: { cert, key } };
}

/**
 * What is wrong with the TLS of a node and what helps, in words.
 *
 * @param error What the attempt to connect came to.
 * @param address Where the node was called.
 * @returns `undefined` if it is not about TLS.
 */
export function peerTlsProblem(error: unknown, address: Address): string | undefined {
  if (!(error instanceof Deno.errors.InvalidData)) return undefined;
  const { message } = error;
  if (/InvalidContentType/.test(message)) {
    return "it does not speak TLS, and all nodes have to or none";
  }
  if (/UnknownIssuer/.test(message)) {
    return "its certificate is not trusted: name its issuer, or a certificate without one itself, " +
      "as ca here";
  }
  if (/not valid for name|NotValidForName/.test(message)) {
    const { hostname } = address as { hostname?: string };
    return `its certificate is not for "${
      hostname ?? formatAddress(address)
    }": it needs one with ` +
      "that name (or IP address) as a subject alternative name";
  }
  if (/CaUsedAsEndEntity/.test(message)) {
    return "its certificate is that of an issuer: a node needs one with basicConstraints=CA:FALSE";
  }
  if (/certificate expired/.test(message)) return "its certificate has expired";
  return `TLS with it failed: ${message}`;
}
