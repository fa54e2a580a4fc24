/**
 * Who may do what. Whoever reaches the address may look; who may change anything is decided here,
 * and here alone.
 *
 * @module
 */

import type { Address } from "../net/address.ts";
import type { HttpRequest } from "./http_server.ts";

/** Hosts that are this machine and no other. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

/** Whether only programs on this machine can reach an address. */
export function isLocal(address: Address): boolean {
  return address.transport === "unix" || LOOPBACK.test(address.hostname);
}

/**
 * Why a request may not be answered at all; `undefined` if it may. A page from elsewhere can have
 * a name of its own lead to 127.0.0.1 and then read from there as from its own server ("DNS
 * rebinding"); the name is in the header Host, so on loopback that has to be one of this machine.
 */
export function refuseToShow(request: HttpRequest, address: Address): string | undefined {
  if (address.transport === "unix" || !isLocal(address)) return undefined;
  const host = text(request.headers["host"]);
  if (host === undefined || LOOPBACK.test(hostnameOf(host))) return undefined;
  return `This server does not know the host "${host}": use ${address.hostname} or localhost.`;
}

/**
 * Why a request may not change anything; `undefined` if it may.
 *
 * There are no users yet. Until there are, changes are for people on this machine, from the page
 * itself: a page from elsewhere that their browser shows cannot send one in their name, for a
 * browser says where a POST comes from. A check of a token or a session belongs here, and then
 * takes the place of the one for the address.
 */
export function refuseToChange(request: HttpRequest, address: Address): string | undefined {
  if (!isLocal(address)) {
    return "Nothing can be changed here, for others than this machine can reach this address.";
  }
  const site = text(request.headers["sec-fetch-site"]);
  const origin = text(request.headers["origin"]);
  const fromHere = origin === undefined
    ? site === "same-origin"
    : origin === `http://${text(request.headers["host"])}` &&
      (site ?? "same-origin") === "same-origin";
  return fromHere ? undefined : "Changes are taken from the page of this server only.";
}

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}
