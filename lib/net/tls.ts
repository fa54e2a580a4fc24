import { createPrivateKey, X509Certificate } from "node:crypto";

/** The files of a listener that speaks TLS, in PEM. */
export interface TlsFiles {
  /** The certificate, and those of its issuers that clients do not have. */
  cert: string;
  /** Its private key. */
  key: string;
  /** Who signs the certificates of clients; without it clients need none. */
  clientCa?: string | undefined;
}

/** What {@linkcode readTlsFiles} has read, as Deno takes it. */
export interface TlsPems {
  cert: string;
  key: string;
  clientCa?: string;
}

/**
 * Reads the files of a listener, and sees whether the certificate and its key belong together, so
 * that it is found out now and not by the first client.
 *
 * @throws {Error} If a file cannot be read or used; the message names it.
 */
export function readTlsFiles(files: TlsFiles): TlsPems {
  const pems = { cert: readFile(files.cert), key: readFile(files.key) };
  let fits: boolean;
  try {
    fits = new X509Certificate(pems.cert).checkPrivateKey(createPrivateKey(pems.key));
  } catch (cause) {
    const message = `Cannot use "${files.cert}" and "${files.key}" for TLS: not in PEM form`;
    throw new Error(message, { cause });
  }
  if (!fits) throw new Error(`Cannot use "${files.cert}" for TLS: "${files.key}" is not its key`);
  return files.clientCa === undefined ? pems : { ...pems, clientCa: readIssuers(files.clientCa) };
}

/**
 * Reads certificates of issuers.
 *
 * @returns What is in the file, as Deno takes it.
 * @throws {Error} If it cannot be read or used; the message names it.
 */
export function readIssuers(file: string): string {
  const pem = readFile(file);
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  try {
    if (certificates === null) throw new Error("there is no certificate in it");
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch (cause) {
    throw new Error(`Cannot use "${file}" for TLS: not certificates in PEM form`, { cause });
  }
  return pem;
}

function readFile(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound ? "no such file" : String(cause);
    throw new Error(`Cannot read "${file}" for TLS: ${reason}`, { cause });
  }
}
