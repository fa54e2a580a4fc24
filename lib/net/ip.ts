/**
 * IP addresses as bytes: 16 of them, with an IPv4 address mapped into IPv6 (RFC 4291, 2.5.5.2).
 *
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";

/** The length of an address. */
export const IP_BYTES = 16;

/** What comes before the four bytes of an IPv4 address. */
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** Maps the four bytes of an IPv4 address into IPv6. */
export function mappedIpv4(bytes: ArrayLike<number>): Uint8Array {
  const ip = new Uint8Array(IP_BYTES);
  ip.set(MAPPED_PREFIX);
  ip.set(bytes, MAPPED_PREFIX.length);
  return ip;
}

/** Whether an address is one of IPv4. */
export function isMappedIpv4(ip: Uint8Array): boolean {
  return MAPPED_PREFIX.every((byte, i) => ip[i] === byte);
}

/**
 * Parses an address of IPv4 or IPv6.
 *
 * @param text The address, without brackets and without a zone.
 * @returns Its bytes; `undefined` if it is malformed.
 */
export function parseIp(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return mappedIpv4(text.split(".").map(Number));
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const [head = "", tail] = text.split("::");
  const before = groupBytes(head);
  const after = groupBytes(tail ?? "");
  const ip = new Uint8Array(IP_BYTES);
  ip.set(before);
  ip.set(after, IP_BYTES - after.length);
  return ip;
}

/** The bytes of groups such as "2001:db8" or "ffff:192.0.2.1". */
function groupBytes(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** Formats an address: "192.0.2.1" for IPv4, otherwise as RFC 5952 recommends, without brackets. */
export function formatIp(ip: Uint8Array): string {
  if (isMappedIpv4(ip)) return ip.subarray(MAPPED_PREFIX.length).join(".");
  const groups = Array.from({ length: IP_BYTES / 2 }, (_, i) => ip[2 * i]! << 8 | ip[2 * i + 1]!);
  const text = groups.map((group) => group.toString(16)).join(":");
  // The URL parser shortens the longest run of zeros.
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}
