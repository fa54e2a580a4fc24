/**
 * Trust between nodes over TLS: the caller checks the certificate of the called node, and presents
 * its own if the called node requires one. docs/security.md explains what that protects against.
 *
 * @module
 */

import { type Address, formatAddress } from "../../net/address.ts";
import type { TlsTrust } from "../../net/connect.ts";
import { readIssuers, readTlsFiles, type TlsFiles } from "../../net/tls.ts";

/** The PEM files of a node. */
export interface PeerTlsFiles extends TlsFiles {
  /** The issuers of trusted certificates. @default {the issuers that Deno trusts} */
  ca?: string | undefined;
}

/** Thrown when the TLS handshake fails for a reason that a retry does not change. */
export class PeerTlsError extends Error {
  override name = "PeerTlsError";
}

/**
 * Reads the certificates that a node trusts and the one that it presents to called nodes.
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
 * Explains a failed TLS handshake, and how to fix it.
 *
 * @param error The error of the attempt to connect.
 * @param address The address of the called node.
 * @returns `undefined` if the error is not about TLS.
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
