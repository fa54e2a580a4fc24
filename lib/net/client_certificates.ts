import type { TLSSocket } from "node:tls";

/** How many certificates are remembered; then the one that was seen first is forgotten. */
const REMEMBERED_MAX = 10_000;

/** What is wrong where a client shows no certificate. */
const NONE = "there is none";

/** What Deno finds wrong with a certificate, in words; it does not always tell more than the last. */
const FAULTS: Readonly<Record<string, string>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: NONE,
  UNABLE_TO_GET_ISSUER_CERT: NONE,
  CERT_HAS_EXPIRED: "it has expired",
  CERT_NOT_YET_VALID: "it is not valid yet",
  INVALID_PURPOSE: "it is not for clients",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "it is not signed by client_ca, not in date, or not for clients",
};

/** Thrown when a client has no certificate, or none that is in order. */
export class ClientCertificateError extends Error {
  override name = "ClientCertificateError";
}

/**
 * Which certificates of clients open a listener.
 *
 * That Deno calls a connection authorized is not enough: it keeps the TLS sessions of all servers
 * of the process in one place, and who goes on with a session shows no certificate. So whoever has
 * a session from a server that asked for none, or trusts others, would be let in. Here a session is
 * good only if its certificate was shown to this listener before, and was in order.
 */
export class ClientCertificates {
  #issuers: string | undefined;
  /** Until when each certificate that was in order is valid, in Unix time, by its SHA-256 digest. */
  readonly #validUntilMs = new Map<string, number>();

  /** Sets the certificates (PEM) of the issuers. If they are others, no session goes on. */
  trust(issuers: string | undefined): void {
    if (issuers !== this.#issuers) this.#validUntilMs.clear();
    this.#issuers = issuers;
  }

  /**
   * Decides about a client.
   *
   * @param socket Its connection after the handshake.
   * @throws {ClientCertificateError} If it is not let in.
   */
  check(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    if (!socket.authorized || certificate === undefined) {
      throw this.fault(undefined, socket) ?? new ClientCertificateError(NONE);
    }
    const { fingerprint256: digest, validTo } = certificate;
    if (!socket.isSessionReused()) this.#remember(digest, Date.parse(validTo));
    else if (!(Date.now() <= (this.#validUntilMs.get(digest) ?? -Infinity))) {
      throw new ClientCertificateError("it was not shown here when the session began");
    }
  }

  /**
   * Tells whether a handshake has failed because of the certificate of the client.
   *
   * @param error What `node:tls` says.
   * @param socket The connection.
   * @returns What is wrong with it; `undefined` if it is something else.
   */
  fault(
    error: (Error & { code?: string }) | undefined,
    socket: TLSSocket,
  ): ClientCertificateError | undefined {
    // What is declared to be an error is the code of one.
    const code = socket.authorizationError as unknown as string | null;
    const reason = code ? FAULTS[code] ?? code : FAULTS[error?.code ?? ""];
    return reason === undefined ? undefined : new ClientCertificateError(reason);
  }

  #remember(digest: string, untilMs: number): void {
    const known = this.#validUntilMs;
    known.delete(digest);
    known.set(digest, untilMs);
    if (known.size > REMEMBERED_MAX) known.delete(known.keys().next().value!);
  }
}
