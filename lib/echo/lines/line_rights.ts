import type { Login } from "../../net/login.ts";

const encoder = new TextEncoder();

/** The reply to a client that has no right to anything at this port; it is then disconnected. */
export const NO_RIGHT = encoder.encode("ERR no right to this port\n");

/** The reply to each line of a client that may only listen. */
export const NO_RIGHT_TO_PUBLISH = "ERR no right to publish here\n";

/** Whether a client may send lines to a subject; notes the refusal if not. */
export function mayPublish(login: Login | undefined, subject: string): boolean {
  if (login === undefined || login.rights === null) return true;
  if (login.rights.allows("publish", subject)) return true;
  login.refuse("publish", subject);
  return false;
}

/** Whether a client may hear the lines of a subject. */
export function maySubscribe(login: Login | undefined, subject: string): boolean {
  return login === undefined || login.rights === null ||
    login.rights.allows("subscribe", subject);
}
