/**
 * Commands about the connection.
 *
 * @module
 */

import { parseInt64 } from "../int64.ts";
import { CommandError, OK, PONG, type Reply, ReplyMap, SimpleString } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { Session } from "../session/session.ts";
import { DATABASES, int32 } from "./arguments.ts";
import { checkClientName } from "./client.ts";
import type { Command } from "./command.ts";
import { DB_OUT_OF_RANGE, SYNTAX_ERROR, wrongArity } from "./errors.ts";

const group = "connection";

/** The version of Redis whose behaviour clients can expect. */
export const REDIS_VERSION = "7.2.4";

/** The one user there is. Its password is any token that opens the service. */
const USER = "default";

const WRONG_PASSWORD = new CommandError(
  "WRONGPASS invalid username-password pair or user is disabled.",
);
const TOO_MANY_FAILURES = new CommandError("ERR too many failures, come back later");
const NOT_GREETED = new CommandError(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO " +
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the " +
    "RESP protocol version at the same time",
);
const NO_PASSWORD = new CommandError(
  "ERR AUTH <password> called without any password configured for the default user. " +
    "Are you sure your configuration is correct?",
);

function ping(request: Request): Reply {
  if (request.count > 2) return wrongArity("ping");
  return request.count === 2 ? request.value(1) : PONG;
}

/**
 * The database that a SELECT asks for.
 *
 * @throws {CommandError} If there is none of that number.
 */
export function selectedDb(request: Request): number {
  const db = int32(request, 1);
  if (db < 0 || db >= DATABASES) throw DB_OUT_OF_RANGE;
  return db;
}

function select(request: Request, session: Session): Reply {
  session.db = selectedDb(request);
  return OK;
}

function quit(_request: Request, session: Session): Reply {
  session.closing = true;
  return OK;
}

function reset(_request: Request, session: Session): Reply {
  session.transaction.reset();
  session.login?.begin();
  session.authenticated = session.login === undefined;
  session.db = 0;
  session.protocol = 2;
  session.name = "";
  session.replyMode = "on";
  return new SimpleString("RESET");
}

function auth(request: Request, session: Session): Reply {
  if (request.count > 3) return SYNTAX_ERROR;
  if (request.count === 2 && session.login === undefined) return NO_PASSWORD;
  const user = request.count === 3 ? request.text(1) : USER;
  return logIn(user, request.text(request.count - 1), session) ?? OK;
}

/** Takes a user in; what is wrong, if something is. Where nobody asks, any password is right. */
function logIn(user: string, password: string, session: Session): CommandError | undefined {
  const { login } = session;
  if (login !== undefined) {
    // A name that does not exist counts as a failure like a wrong password.
    const verdict = login.show(user === USER ? password : "");
    if (verdict === "blocked") {
      session.closing = true;
      return TOO_MANY_FAILURES;
    }
    if (verdict === "wrong") return WRONG_PASSWORD;
  } else if (user !== USER) {
    return WRONG_PASSWORD;
  }
  session.authenticated = true;
  return undefined;
}

function hello(request: Request, session: Session): Reply {
  let protocol: 2 | 3 = session.protocol;
  if (request.count > 1) {
    const version = parseInt64(request.text(1));
    if (version === undefined) {
      return new CommandError("ERR Protocol version is not an integer or out of range");
    }
    if (version !== 2 && version !== 3) {
      return new CommandError("NOPROTO unsupported protocol version");
    }
    protocol = version;
  }
  let user: string | undefined;
  let password = "";
  let name: string | undefined;
  for (let at = 2; at < request.count; at++) {
    const option = request.option(at);
    const more = request.count - 1 - at;
    if (option === "AUTH" && more >= 2) {
      user = request.text(++at);
      password = request.text(++at);
    } else if (option === "SETNAME" && more >= 1) {
      name = checkClientName(request.text(++at));
    } else {
      return new CommandError(`ERR Syntax error in HELLO option '${request.text(at, 128)}'`);
    }
  }
  const problem = user === undefined ? undefined : logIn(user, password, session);
  if (problem !== undefined) return problem;
  if (!session.authenticated) return NOT_GREETED;
  if (name !== undefined) session.name = name;
  session.protocol = protocol;
  return new ReplyMap([
    ["server", "redis"],
    ["version", REDIS_VERSION],
    ["proto", protocol],
    ["id", session.peer.id],
    ["mode", "standalone"],
    ["role", "master"],
    ["modules", []],
  ]);
}

const flags = ["noscript", "loading", "stale", "fast", "no_auth"];

/** Commands about the connection: HELLO, AUTH, SELECT and the like. */
export const CONNECTION_COMMANDS: readonly Command[] = [
  {
    name: "ping",
    arity: -1,
    flags: ["fast"],
    group,
    summary: "Answers, with PONG or what it was given.",
    since: "1.0.0",
    action: { kind: "session", run: ping },
  },
  {
    name: "echo",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group,
    summary: "Returns what it was given.",
    since: "1.0.0",
    action: { kind: "session", run: (request) => request.value(1) },
  },
  {
    name: "select",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group,
    summary: "Goes to another database.",
    since: "1.0.0",
    action: { kind: "session", run: select },
  },
  {
    name: "quit",
    arity: -1,
    flags,
    group,
    summary: "Ends the connection.",
    since: "1.0.0",
    action: { kind: "control", run: quit },
  },
  {
    name: "reset",
    arity: 1,
    flags,
    group,
    summary: "Puts the connection into the state in which it began.",
    since: "6.2.0",
    action: { kind: "control", run: reset, alone: true },
  },
  {
    name: "auth",
    arity: -2,
    flags,
    group,
    summary: "Tells who the client is.",
    since: "1.0.0",
    action: { kind: "session", run: auth, alone: true },
  },
  {
    name: "hello",
    arity: -1,
    flags,
    group,
    summary: "Agrees on the version of the protocol.",
    since: "6.0.0",
    action: { kind: "session", run: hello, alone: true },
  },
];
