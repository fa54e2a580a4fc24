/**
 * How two peers prove to each other that they know the same secret, without sending it: each signs
 * (HMAC-SHA256) the first line of the caller and a nonce that the other has drawn for this connection,
 * so a proof is of no use on any other connection. docs/protocols.md has the lines.
 *
 * @module
 */

import type { Guard } from "../../auth.ts";
import type { Connection } from "../../net/connection.ts";
import type { Login } from "../../net/login.ts";
import { type FirstLine, readFirstLine } from "./first_line.ts";
import { HELLO, parseHello } from "./hello.ts";

/** Random bytes of a nonce. */
const NONCE_BYTES = 32;

/** The form of a nonce, in hexadecimal. */
const NONCE = /^[0-9a-f]{64}$/;

/** Thrown when a peer does not prove that it knows the secret. */
export class ProofError extends Error {
  override name = "ProofError";
}

/** Draws a new nonce. */
export function drawNonce(): string {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES)).toHex();
}

/** The signed text. It names the role, so that a proof cannot be sent back to its maker. */
function signed(role: "caller" | "called", line: string, nonce: string): string {
  return `quartet mesh ${role}\n${line}\n${nonce}`;
}

/**
 * The called side: demands a proof from the caller, and only then gives its own.
 *
 * @param first The hello of the caller, with the word before it.
 * @param login Checks the proof; `undefined` if there is no secret.
 * @returns Whether the caller is accepted. If not, it was told the reason.
 */
export async function demandProof(
  connection: Connection,
  { line, buffer }: FirstLine,
  login: Login | undefined,
): Promise<boolean> {
  const refuse = async (reason: string) => {
    await send(connection, HELLO.ERR, reason);
    return false;
  };
  const theirNonce = parseHello(line.slice(line.indexOf(" ") + 1))?.nonce;
  if (login === undefined) {
    return theirNonce === undefined || await refuse("the caller has a secret, this node has none");
  }
  if (theirNonce === undefined) {
    return await refuse("this node has a secret, the caller has none");
  }
  const nonce = drawNonce();
  await send(connection, HELLO.PROVE, nonce);
  const answer = await readFirstLine(connection, buffer);
  if (answer === undefined) return false;
  switch (await login.showProof(proofsIn(answer.line), signed("caller", line, nonce))) {
    case "right":
      await send(connection, HELLO.PROOF, login.prove(signed("called", line, nonce)).join(" "));
      return true;
    case "wrong":
      return await refuse("the caller's secret is not that of this node");
    case "blocked":
      return await refuse("too many failures, come back later");
  }
}

/**
 * The calling side: gives a proof on demand, and insists on one from the called side.
 *
 * @param line The first line of the caller; it has a nonce if there is a secret.
 * @returns The answer to the hello; `undefined` if the connection is closed.
 * @throws {ProofError} If the other side does not know the secret.
 */
export async function giveProof(
  connection: Connection,
  line: string,
  secret: Guard | undefined,
): Promise<FirstLine | undefined> {
  const challenge = await readFirstLine(connection);
  if (challenge === undefined || secret === undefined) return challenge;
  const isRefused = ({ line }: FirstLine) =>
    line.startsWith(HELLO.ERR) || line.startsWith(HELLO.LATER);
  if (isRefused(challenge)) return challenge;
  const nonce = challenge.line.slice(HELLO.PROVE.length);
  if (!challenge.line.startsWith(HELLO.PROVE) || !NONCE.test(nonce)) {
    throw new ProofError("it does not prove that it knows the secret");
  }
  await send(connection, HELLO.PROOF, secret.prove(signed("caller", line, nonce)).join(" "));
  const proof = await readFirstLine(connection, challenge.buffer);
  if (proof === undefined || isRefused(proof)) return proof;
  if (!secret.isProof(proofsIn(proof.line), signed("called", line, nonce))) {
    throw new ProofError("its secret is not that of this node");
  }
  return await readFirstLine(connection, challenge.buffer);
}

function proofsIn(line: string): string[] {
  return line.startsWith(HELLO.PROOF) ? line.slice(HELLO.PROOF.length).split(" ") : [];
}

async function send(connection: Connection, word: string, text: string): Promise<void> {
  await connection.write(new TextEncoder().encode(`${word}${text}\n`));
}
