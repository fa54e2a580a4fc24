/**
 * How one node calls another: it connects, over TLS if the mesh uses it, says hello, and proves that
 * it knows the secret if there is one.
 *
 * @module
 */

import type { Guard } from "../../auth.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import { connectWithin, type TlsTrust } from "../../net/connect.ts";
import { Connection } from "../../net/connection.ts";
import type { FirstLine } from "./first_line.ts";
import { formatHello, HELLO, type Hello } from "./hello.ts";
import { drawNonce, giveProof } from "./proof.ts";
import { PeerTlsError, peerTlsProblem } from "./peer_tls.ts";

/** What a caller sends, and what it expects of the called node. */
export interface Call {
  word: typeof HELLO["PEER" | "CONTROL"];
  hello: Hello;
  /** The secret that both sides must know; `undefined` if there is none. */
  secret: Guard | undefined;
}

/** How the nodes of a mesh authenticate each other. */
export interface Recognition {
  /** The shared secret; `undefined` if there is none. */
  secret?: (() => Guard | undefined) | undefined;
  /** The trusted certificates and the own one; `undefined` without TLS. */
  trust?: (() => TlsTrust | undefined) | undefined;
}

/** The name of a node in messages, such as `node 2 (host2:8083)`. */
export function nodeName(node: number, address: Address | undefined): string {
  return address ? `node ${node} (${formatAddress(address)})` : `node ${node}`;
}

/**
 * Connects to a node and says hello.
 *
 * @param address The address of the node. Its certificate has to be for that host.
 * @returns The connection, the answer, and what was read after it.
 * @throws {PeerTlsError} If the TLS handshake fails for a reason that a retry does not change.
 * @throws {ProofError} If the other side does not know the secret.
 * @throws {Error} If there is no connection or no answer.
 */
export async function callNode(
  address: Address,
  { word, hello, secret, trust, timeoutMs }:
    & Omit<Call, "secret">
    & Recognition
    & { timeoutMs: number },
): Promise<FirstLine & { connection: Connection }> {
  const tls = trust?.();
  const conn = await connectWithin(address, { timeoutMs, tls }).catch((error) => {
    const problem = peerTlsProblem(error, address);
    if (problem !== undefined) throw new PeerTlsError(problem, { cause: error });
    if (!(error instanceof Deno.errors.UnexpectedEof)) throw error;
    throw new Error("it closed the connection before TLS came about", { cause: error });
  });
  const connection = new Connection(conn, hello.to, formatAddress(address));
  try {
    connection.setTcpOptions();
    const answer = await callPeer(connection, { word, hello, secret: secret?.() });
    if (answer) return { connection, ...answer };
    // A node that uses TLS closes the connection of one that does not, and the reverse.
    const hint = tls === undefined
      ? "; if it speaks TLS, this node has to as well"
      : tls.identity && "; its client_ca may not have signed the certificate of this node";
    throw new Error(`it closed the connection${hint ?? ""}`);
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * Says hello, and proves knowledge of the secret if there is one.
 *
 * @returns The answer and what was read after it; `undefined` if the connection is closed.
 * @throws {ProofError} If the other side does not know the secret.
 */
export async function callPeer(
  connection: Connection,
  { word, hello, secret }: Call,
): Promise<FirstLine | undefined> {
  const line = formatHello(word, secret ? { ...hello, nonce: drawNonce() } : hello);
  await connection.write(new TextEncoder().encode(`${line}\n`));
  return await giveProof(connection, line, secret);
}
