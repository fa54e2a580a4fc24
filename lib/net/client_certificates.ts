import type { TLSSocket } from "node:tls";

/** How many certificates are remembered; a new one displaces the oldest. */
const REMEMBERED_MAX = 10_000;

/** The fault of a client that presents no certificate. */
const NONE = "there is none";

/** Deno's error codes in words. Often it reports only the last of these, whatever the cause. */
const FAULTS: Readonly<Record<string, string>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: NONE,
  UNABLE_TO_GET_ISSUER_CERT: NONE,
  CERT_HAS_EXPIRED: "it has expired",
  CERT_NOT_YET_VALID: "it is not valid yet",
  INVALID_PURPOSE: "it is not for clients",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "it is not signed by client_ca, has expired or is not yet valid, or is not for clients",
};

/** Thrown when a client presents no valid certificate. */
export class ClientCertificateError extends Error {
  override name = "ClientCertificateError";
}

/**
 * Decides which clients a listener admits by their certificates.
 *
 * It is not enough that Deno calls a connection authorized. Deno keeps the TLS sessions of all
 * servers of the process in one cache, and a client that resumes a session presents no certificate.
 * A session from a server that asks for no certificate, or trusts other issuers, would therefore
 * open this listener too. So a resumed session is accepted only if its certificate was presented to
 * this listener before, and was valid.
 */
export class ClientCertificates {
  #issuers: string | undefined;
  /** When each valid certificate expires, in Unix milliseconds, by its SHA-256 digest. */
  readonly #validUntilMs = new Map<string, number>();

  /** Sets the trusted issuers (PEM). If they change, sessions can no longer be resumed. */
  trust(issuers: string | undefined): void {
    if (issuers !== this.#issuers) this.#validUntilMs.clear();
    this.#issuers = issuers;
  }

  /**
   * Admits or rejects a client.
   *
   * @param socket The client's connection after the handshake.
   * @throws {ClientCertificateError} If the client is rejected.
   */
  check(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    if (!socket.authorized || certificate === undefined) {
      throw this.fault(undefined, socket) ?? new ClientCertificateError(NONE);
    }
    const { fingerprint256: digest, validTo } = certificate;
    if (!socket.isSessionReused()) this.#remember(digest, Date.parse(validTo));
    else if (!(Date.now() <= (this.#validUntilMs.get(digest) ?? -Infinity))) {
      throw new ClientCertificateError(
        "it was not presented to this listener when the session began",
      );
    }
  }

  /**
   * Finds out whether a handshake failed because of the client's certificate.
   *
   * @param error The error that `node:tls` reports.
   * @param socket The connection.
   * @returns What is wrong with the certificate; `undefined` if the failure has another cause.
   */
  fault(
    error: (Error & { code?: string }) | undefined,
    socket: TLSSocket,
  ): ClientCertificateError | undefined {
    // Declared as an Error, but it holds the code of one.
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
