/**
 * How one node calls another: connects, over TLS if the mesh speaks it, says hello, and proves that
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

/** What a caller says, and what it asks of the one who is called. */
export interface Call {
  word: typeof HELLO["PEER" | "CONTROL"];
  hello: Hello;
  /** What both sides have to know; `undefined` if there is nothing to know. */
  secret: Guard | undefined;
}

/** What all nodes of a mesh have to have in common to recognise each other. */
export interface Recognition {
  /** What they know, and prove to each other; `undefined` if there is nothing to know. */
  secret?: (() => Guard | undefined) | undefined;
  /** Whose certificates they take; `undefined` if they speak plainly. */
  trust?: (() => TlsTrust | undefined) | undefined;
}

/** How a node is called in messages. */
export function nodeName(node: number, address: Address | undefined): string {
  return address ? `node ${node} (${formatAddress(address)})` : `node ${node}`;
}

/**
 * Connects to a node and says hello.
 *
 * @param address Where it listens; its certificate has to be for that host.
 * @returns The connection, the answer, and what was read behind it.
 * @throws {PeerTlsError} If TLS does not come about, and would not the next time.
 * @throws {ProofError} If the other side does not know the secret.
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
    // What a node that speaks TLS does to one that does not.
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
 * Says hello, and proves that the secret is known here if there is one.
 *
 * @returns The answer, and what was read behind it; `undefined` if there is none.
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
