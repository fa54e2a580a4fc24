/**
 * Error replies. They use the exact words of Redis, because clients match on them.
 *
 * @module
 */

import { OutOfMemoryError, StorageUnavailableError } from "../../storage/store.ts";
import { LoadingError } from "../loading_store.ts";
import { ErrorReply } from "../resp/reply.ts";

/** Errors that more than one command replies with. */
export const SYNTAX_ERROR = new ErrorReply("ERR syntax error");
export const NOT_AN_INTEGER = new ErrorReply("ERR value is not an integer or out of range");
export const NOT_A_FLOAT = new ErrorReply("ERR value is not a valid float");
export const NOT_AN_INT32 = new ErrorReply(
  "ERR value is out of range, value must between -2147483648 and 2147483647",
);
export const OVERFLOW = new ErrorReply("ERR increment or decrement would overflow");
export const DECREMENT_OVERFLOW = new ErrorReply("ERR decrement would overflow");
export const NAN_OR_INFINITY = new ErrorReply("ERR increment would produce NaN or Infinity");
export const OFFSET_OUT_OF_RANGE = new ErrorReply("ERR offset is out of range");
export const VALUE_TOO_LONG = new ErrorReply(
  "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
);
export const NO_SUCH_KEY = new ErrorReply("ERR no such key");
export const SAME_OBJECT = new ErrorReply("ERR source and destination objects are the same");
export const DB_OUT_OF_RANGE = new ErrorReply("ERR DB index is out of range");
export const INVALID_CURSOR = new ErrorReply("ERR invalid cursor");
export const OUT_OF_MEMORY = new ErrorReply(
  "OOM command not allowed when used memory > 'maxmemory'.",
);
export const NOT_AUTHENTICATED = new ErrorReply("NOAUTH Authentication required.");
/** Clients match on the first word. */
export const LOADING = new ErrorReply("LOADING quartet is loading the dataset in memory");
export const TOO_MANY_ARGUMENTS = new ErrorReply("ERR too many arguments");
export const EXEC_ABORTED = new ErrorReply(
  "EXECABORT Transaction discarded because of previous errors.",
);

/**
 * Thrown by a command that undoes its transaction, unlike an {@linkcode ErrorReply}, with which the
 * other commands of the transaction still take effect. Clients see the message.
 */
export class RolledBackError extends Error {
  override name = "RolledBackError";
}

/** How much of a name or an argument an error quotes. */
const QUOTED_CHARS = 128;

/**
 * The reply for an error that a client may see.
 *
 * @throws Any other error, which is a bug.
 */
export function asReply(error: unknown): ErrorReply {
  if (error instanceof ErrorReply) return error;
  if (error instanceof OutOfMemoryError) return OUT_OF_MEMORY;
  if (error instanceof LoadingError) return LOADING;
  if (error instanceof RolledBackError) return new ErrorReply(error.message);
  if (error instanceof StorageUnavailableError) return new ErrorReply(`ERR ${error.message}`);
  throw error;
}

/** The error for an EXEC that was rolled back for this reason. */
export function execDiscarded({ message }: ErrorReply): ErrorReply {
  return new ErrorReply(`EXECABORT Transaction discarded because of: ${message}`);
}

/** The error for a wrong number of arguments. */
export function wrongArity(name: string): ErrorReply {
  return new ErrorReply(`ERR wrong number of arguments for '${name}' command`);
}

/** The error for a command that a subscribed client of RESP2 must not send. */
export function notForSubscribers(name: string): ErrorReply {
  return new ErrorReply(
    `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET ` +
      "are allowed in this context",
  );
}

/** The error for an expiry that is zero, negative or too large. */
export function invalidExpireTime(name: string): ErrorReply {
  return new ErrorReply(`ERR invalid expire time in '${name}' command`);
}

/** Cuts a text to what an error quotes: at a NUL, like a C string, or after `maxChars`. */
export function quote(text: string, maxChars = QUOTED_CHARS): string {
  const nul = text.indexOf("\0");
  return text.slice(0, nul < 0 ? maxChars : Math.min(nul, maxChars));
}

/** The error for an unknown command. */
export function unknownCommand(name: string, args: Iterable<string>): ErrorReply {
  let quoted = "";
  for (const arg of args) {
    if (quoted.length >= QUOTED_CHARS) break;
    quoted += `'${quote(arg, QUOTED_CHARS - quoted.length)}' `;
  }
  return new ErrorReply(
    `ERR unknown command '${quote(name)}', with args beginning with: ${quoted}`,
  );
}

/** The error for a subcommand with an argument too many. */
export function wrongSubcommand(command: string, name: string): ErrorReply {
  return new ErrorReply(
    `ERR unknown subcommand or wrong number of arguments for '${name}'. ` +
      `Try ${command.toUpperCase()} HELP.`,
  );
}

/** The error for an unknown subcommand. */
export function unknownSubcommand(command: string, name: string): ErrorReply {
  return new ErrorReply(
    `ERR unknown subcommand '${quote(name)}'. Try ${command.toUpperCase()} HELP.`,
  );
}
