/**
 * The header of the PROXY protocol, versions 1 (text) and 2 (binary). A proxy sends it before
 * anything else, to tell which client it connects for.
 *
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 * @module
 */

import type { Address } from "./address.ts";
import { formatIp, IP_BYTES, mappedIpv4, parseIp } from "./ip.ts";

/** The maximum length of a header of version 1, as the specification has it. */
export const V1_MAX_BYTES = 107;
/**
 * The maximum length of a header of version 2, with the 16 bytes at its start. The format allows
 * 64 KiB; a header with the addresses, the name of a certificate and some identifiers has a few
 * hundred bytes.
 */
export const V2_MAX_BYTES = 4096;

/** The length of the shortest header: "PROXY UNKNOWN" with its line end. */
const MIN_BYTES = 15;
const V1_START = new TextEncoder().encode("PROXY ");
const V2_SIGNATURE = new TextEncoder().encode("\r\n\r\n\0\r\nQUIT\n");
const V2_FIXED_BYTES = 16;
/** Words of a line of version 1: "PROXY", the family, two addresses and two ports. */
const V1_WORDS = 6;

const VERSION_2 = 2;
const COMMANDS = { LOCAL: 0, PROXY: 1 } as const;
/** Families and transports of version 2. */
const FAMILIES = { UNSPEC: 0x00, TCP4: 0x11, TCP6: 0x21, UNIX: 0x31 } as const;
const IPV4_BYTES = 4;
const PORT_BYTES = 2;
const UNIX_BYTES = 216;

/** Thrown for bytes that are no header; the message says why, for the log. */
export class ProxyHeaderError extends Error {
  override name = "ProxyHeaderError";
}

/** A header, or as much as is known of it. */
export type ProxyHeader =
  | {
    complete: false;
    /** How many bytes are missing at least. They belong to the header and not to the client. */
    missing: number;
  }
  | {
    complete: true;
    /** The length of the header in bytes. */
    length: number;
    /** The address of the client; `undefined` if the connection stands for itself. */
    client: Address | undefined;
  };

/**
 * Parses a header.
 *
 * @param bytes What has arrived so far.
 * @throws {ProxyHeaderError} If this cannot become a header, or one beyond the limits.
 */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (bytes.length === 0) return { complete: false, missing: MIN_BYTES };
  if (isPrefix(bytes, V2_SIGNATURE)) return parseV2(bytes);
  if (isPrefix(bytes, V1_START)) return parseV1(bytes);
  throw new ProxyHeaderError("it does not begin with a PROXY header");
}

/** Whether bytes begin with the start of a header, which no client of a service would send. */
export function beginsWithProxyHeader(bytes: Uint8Array): boolean {
  if (bytes.length >= V2_SIGNATURE.length && isPrefix(bytes, V2_SIGNATURE)) return true;
  return /^PROXY (?:TCP[46] |UNKNOWN\b)/.test(latin1(bytes.subarray(0, MIN_BYTES)));
}

/** Whether some bytes agree with a start, as far as they go. */
function isPrefix(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.subarray(0, bytes.length).every((byte, i) => bytes[i] === byte);
}

function parseV1(bytes: Uint8Array): ProxyHeader {
  const end = bytes.indexOf(10);
  const length = end === -1 ? bytes.length : end + 1;
  if (length > V1_MAX_BYTES || (end === -1 && length === V1_MAX_BYTES)) {
    throw new ProxyHeaderError(`its PROXY header is longer than ${V1_MAX_BYTES} bytes`);
  }
  const text = latin1(bytes.subarray(0, length));
  if (end === -1) return { complete: false, missing: missingInV1(text) };
  return { complete: true, length, client: clientOfV1(text) };
}

function missingInV1(text: string): number {
  if (text.length < MIN_BYTES) return MIN_BYTES - text.length;
  const lineEnd = text.endsWith("\r") ? 1 : 2;
  if (text.startsWith("PROXY UNKNOWN")) return lineEnd;
  // Each missing word has a blank and at least one character.
  return 2 * Math.max(0, V1_WORDS - text.split(" ").length) + lineEnd;
}

function clientOfV1(line: string): Address | undefined {
  if (/^PROXY UNKNOWN(?: [^\r]*)?\r\n$/.test(line)) return undefined;
  const [, family, source = "", target = "", port, targetPort] =
    /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})\r\n$/.exec(line) ?? [];
  const isOfFamily = (text: string) => text.includes(":") === (family === "6");
  const ip = parseIp(source);
  if (
    ip === undefined || parseIp(target) === undefined || !isOfFamily(source) ||
    !isOfFamily(target) || Number(port) > 65535 || Number(targetPort) > 65535
  ) throw new ProxyHeaderError(`its PROXY header is malformed: ${JSON.stringify(line)}`);
  return { transport: "tcp", hostname: formatIp(ip), port: Number(port) };
}

function parseV2(bytes: Uint8Array): ProxyHeader {
  if (bytes.length < V2_FIXED_BYTES) {
    return { complete: false, missing: V2_FIXED_BYTES - bytes.length };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[12]! >> 4;
  if (version !== VERSION_2) {
    throw new ProxyHeaderError(`its PROXY header has the unknown version ${version}`);
  }
  const length = V2_FIXED_BYTES + view.getUint16(14);
  if (length > V2_MAX_BYTES) {
    throw new ProxyHeaderError(
      `its PROXY header has ${length} bytes, and more than ${V2_MAX_BYTES} are not accepted`,
    );
  }
  const client = checkV2(bytes, length);
  if (bytes.length < length) return { complete: false, missing: length - bytes.length };
  return { complete: true, length, client: client() };
}

/** Checks the fixed part of a header; the result reads the client's address once it is there. */
function checkV2(bytes: Uint8Array, length: number): () => Address | undefined {
  const command = bytes[12]! & 0xf;
  const family = bytes[13]!;
  if (command === COMMANDS.LOCAL) return () => undefined;
  if (command !== COMMANDS.PROXY) {
    throw new ProxyHeaderError(`its PROXY header has the unknown command ${command}`);
  }
  const addressBytes = {
    [FAMILIES.UNSPEC]: 0,
    [FAMILIES.TCP4]: 2 * (IPV4_BYTES + PORT_BYTES),
    [FAMILIES.TCP6]: 2 * (IP_BYTES + PORT_BYTES),
    [FAMILIES.UNIX]: UNIX_BYTES,
  }[family];
  if (addressBytes === undefined) {
    const name = `0x${family.toString(16).padStart(2, "0")}`;
    throw new ProxyHeaderError(`its PROXY header has the family ${name}, which is not TCP`);
  }
  if (length < V2_FIXED_BYTES + addressBytes) {
    throw new ProxyHeaderError("its PROXY header is too short for its addresses");
  }
  if (family === FAMILIES.UNSPEC || family === FAMILIES.UNIX) return () => undefined;
  return () => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + V2_FIXED_BYTES, addressBytes);
    const ipBytes = family === FAMILIES.TCP4 ? IPV4_BYTES : IP_BYTES;
    const source = bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + ipBytes);
    const hostname = formatIp(family === FAMILIES.TCP4 ? mappedIpv4(source) : source);
    return { transport: "tcp", hostname, port: view.getUint16(2 * ipBytes) };
  };
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
