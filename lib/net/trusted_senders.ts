/**
 * Which senders of PROXY headers are trusted: networks such as "10.0.0.0/8", single addresses, and
 * "unix" for the clients of a unix socket.
 *
 * @module
 */

import type { Address } from "./address.ts";
import { IP_BYTES, isMappedIpv4, parseIp } from "./ip.ts";

/** The entry that stands for the clients of a unix socket. */
const UNIX = "unix";

const MAPPED_PREFIX_BITS = 96;

/** A network: an address whose bits after the prefix are 0. */
interface Network {
  ip: Uint8Array;
  prefixBits: number;
}

/** A list of trusted senders. */
export class TrustedSenders {
  readonly #networks: readonly Network[];
  readonly #unix: boolean;

  /**
   * @param entries The list, as in the configuration.
   * @throws {SyntaxError} If an entry is malformed; the message says why.
   */
  constructor(entries: readonly string[]) {
    this.#unix = entries.includes(UNIX);
    this.#networks = entries.filter((entry) => entry !== UNIX).map(parseNetwork);
  }

  /** Whether nobody is trusted, and so no header expected or looked for. */
  get isEmpty(): boolean {
    return !this.#unix && this.#networks.length === 0;
  }

  /** Whether a sender is in the list. An IPv4 address is the same as the one mapped into IPv6. */
  has(sender: Address): boolean {
    if (sender.transport === "unix") return this.#unix;
    const ip = parseIp(sender.hostname.replace(/%.*$/, ""));
    if (ip === undefined) return false;
    return this.#networks.some((network) => contains(network, ip));
  }
}

function parseNetwork(entry: string): Network {
  const [address = "", prefix, ...rest] = entry.split("/");
  const ip = parseIp(address);
  const bits = address.includes(":") ? 8 * IP_BYTES : 8 * IP_BYTES - MAPPED_PREFIX_BITS;
  const length = prefix === undefined ? bits : Number(prefix);
  if (
    ip === undefined || rest.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix)) ||
    length > bits
  ) throw new SyntaxError(`"${entry}" is neither a network, an address nor "${UNIX}"`);
  const network = { ip, prefixBits: length + 8 * IP_BYTES - bits };
  // Otherwise somebody who means one host might trust a whole network.
  if (ip.some((byte, i) => (byte & ~maskByte(network, i)) !== 0)) {
    throw new SyntaxError(
      `"${entry}" has bits beyond its first ${length}: write the network's own address, or only ` +
        "the address of a single host",
    );
  }
  return network;
}

function contains(network: Network, ip: Uint8Array): boolean {
  // "::/0" stands for all of IPv6, and not for IPv4 as well.
  if (isMappedIpv4(ip) && network.prefixBits < MAPPED_PREFIX_BITS) return false;
  return ip.every((byte, i) => (byte & maskByte(network, i)) === network.ip[i]);
}

/** The bits of one byte that belong to the prefix. */
function maskByte({ prefixBits }: Network, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixBits - 8 * index));
  return 0xff << (8 - bits) & 0xff;
}
