/**
 * The words of the WebSocket protocol (RFC 6455).
 *
 * @module
 */

/** What a frame carries (section 5.2). */
export const OPCODE = {
  CONTINUATION: 0,
  TEXT: 1,
  BINARY: 2,
  CLOSE: 8,
  PING: 9,
  PONG: 10,
} as const;

/** The bits of the first two bytes of a frame. */
export const BIT = { FIN: 0x80, RESERVED: 0x70, OPCODE: 0x0f, CONTROL: 0x08, MASK: 0x80 } as const;

/** The length of a payload whose real length is in the next two or eight bytes. */
export const LENGTH = { TWO_BYTES: 126, EIGHT_BYTES: 127 } as const;

/** The longest payload of a control frame (section 5.5). */
export const CONTROL_MAX_BYTES = 125;

/** Why a connection is closed (section 7.4.1). */
export const CLOSE_CODE = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED: 1003,
  NO_CODE: 1005,
  INVALID_TEXT: 1007,
  POLICY: 1008,
  TOO_BIG: 1009,
} as const;

/** The end of a conversation: the code of a close frame, and why in words. */
export interface Ending {
  code: number;
  reason: string;
}

/** Whether a peer may send this code in a close frame (section 7.4.2 and the registry of IANA). */
export function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
    (code >= 3000 && code <= 4999);
}
