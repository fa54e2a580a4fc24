import { createPrivateKey, X509Certificate } from "node:crypto";
import { fileErrorReason } from "../file_error.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The PEM files of a TLS listener. */
export interface TlsFiles {
  /** The certificate, followed by any intermediate certificates. */
  cert: string;
  /** Its private key. */
  key: string;
  /** The issuers of client certificates; without it clients need no certificate. */
  clientCa?: string | undefined;
}

/** The contents of {@linkcode TlsFiles}. */
export interface TlsPems {
  cert: string;
  key: string;
  clientCa?: string;
}

/**
 * Reads the files of a listener. It checks that the certificate and the key belong together, so that
 * a mistake shows now and not when the first client connects.
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
 * When the first certificate of a chain expires, in Unix milliseconds.
 *
 * @param pem The chain, which {@linkcode readTlsFiles} has checked.
 */
export function expiryOf(pem: string): number {
  const certificates = pem.match(CERTIFICATE) ?? [];
  return Math.min(...certificates.map((one) => Date.parse(new X509Certificate(one).validTo)));
}

/**
 * Reads a file of issuer certificates.
 *
 * @returns The contents of the file (PEM).
 * @throws {Error} If the file cannot be read or used; the message names it.
 */
export function readIssuers(file: string): string {
  const pem = readFile(file);
  const certificates = pem.match(CERTIFICATE);
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
    throw new Error(`Cannot read "${file}" for TLS: ${fileErrorReason(cause)}`, { cause });
  }
}
