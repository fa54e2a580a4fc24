/**
 * Commands on the connection itself.
 *
 * @module
 */

import type { MaybePromise } from "../../storage/store.ts";
import { parseInt64 } from "../int64.ts";
import { ErrorReply, OK, PONG, type Reply, ReplyMap, SimpleString } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { database } from "./arguments.ts";
import { checkClientName } from "./client.ts";
import type { Command } from "./command.ts";
import type { ClientState } from "./context.ts";
import { SYNTAX_ERROR, wrongArity } from "./errors.ts";

const group = "connection";

/** The version of Redis that quartet claims to be. */
export const REDIS_VERSION = "7.2.4";

/** The only user. Every token of the service is a password for it. */
const USER = "default";

const WRONG_PASSWORD = new ErrorReply(
  "WRONGPASS invalid username-password pair or user is disabled.",
);
const TOO_MANY_FAILURES = new ErrorReply("ERR too many failures, come back later");
const NOT_GREETED = new ErrorReply(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO " +
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the " +
    "RESP protocol version at the same time",
);
const NO_PASSWORD = new ErrorReply(
  "ERR AUTH <password> called without any password configured for the default user. " +
    "Are you sure your configuration is correct?",
);

function ping(request: Request, client: ClientState): Reply {
  if (request.count > 2) return wrongArity("ping");
  if (client.protocol === 2 && client.peer.channels.count > 0) {
    return ["pong", request.count === 2 ? request.value(1) : ""];
  }
  return pingInScript(request);
}

function pingInScript(request: Request): Reply {
  if (request.count > 2) return wrongArity("ping");
  return request.count === 2 ? request.value(1) : PONG;
}

function echo(request: Request): Reply {
  return request.value(1);
}

function selectedDb(request: Request): number {
  return database(request, 1);
}

function select(request: Request, client: ClientState): Reply {
  client.db = selectedDb(request);
  return OK;
}

function quit(_request: Request, client: ClientState): Reply {
  client.closing = true;
  return OK;
}

function reset(_request: Request, client: ClientState): MaybePromise<Reply> {
  client.transaction.reset();
  client.login?.begin();
  client.authenticated = client.login === undefined;
  client.db = 0;
  client.protocol = 2;
  client.name = "";
  client.replyMode = "on";
  client.refusal = undefined;
  client.noEvict = client.noTouch = false;
  client.peer.monitor(false);
  const done = new SimpleString("RESET");
  const { channels } = client.peer;
  return channels.count === 0 ? done : channels.leave().then(() => done);
}

async function auth(request: Request, client: ClientState): Promise<Reply> {
  if (request.count > 3) return SYNTAX_ERROR;
  if (request.count === 2 && client.login === undefined) return NO_PASSWORD;
  const user = request.count === 3 ? request.text(1) : USER;
  return await logIn(user, request.text(request.count - 1), client) ?? OK;
}

/**
 * Authenticates a user; returns the error, if any. Any password will do if none is required. After
 * too many failures it waits for the turn of the client's address.
 */
async function logIn(
  user: string,
  password: string,
  client: ClientState,
): Promise<ErrorReply | undefined> {
  const { login } = client;
  if (login !== undefined) {
    // An unknown user counts as a failure, like a wrong password.
    const verdict = await login.showInTurn(user === USER ? password : "");
    if (verdict === "blocked") {
      client.closing = true;
      return TOO_MANY_FAILURES;
    }
    if (verdict === "wrong") return WRONG_PASSWORD;
  } else if (user !== USER) {
    return WRONG_PASSWORD;
  }
  client.authenticated = true;
  return undefined;
}

async function hello(request: Request, client: ClientState): Promise<Reply> {
  let protocol: 2 | 3 = client.protocol;
  if (request.count > 1) {
    const version = parseInt64(request.text(1));
    if (version === undefined) {
      return new ErrorReply("ERR Protocol version is not an integer or out of range");
    }
    if (version !== 2 && version !== 3) {
      return new ErrorReply("NOPROTO unsupported protocol version");
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
      return new ErrorReply(`ERR Syntax error in HELLO option '${request.text(at, 128)}'`);
    }
  }
  // The request is not valid any more after this.
  const problem = user === undefined ? undefined : await logIn(user, password, client);
  if (problem !== undefined) return problem;
  if (!client.authenticated) return NOT_GREETED;
  if (name !== undefined) client.name = name;
  client.protocol = protocol;
  return new ReplyMap([
    ["server", "redis"],
    ["version", REDIS_VERSION],
    ["proto", protocol],
    ["id", client.peer.id],
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
    summary: "Returns PONG, or its argument.",
    since: "1.0.0",
    action: { kind: "session", run: ping, inScript: pingInScript },
  },
  {
    name: "echo",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group,
    summary: "Returns its argument.",
    since: "1.0.0",
    action: { kind: "session", run: echo, inScript: echo },
  },
  {
    name: "select",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    group,
    summary: "Selects a database.",
    since: "1.0.0",
    action: { kind: "session", run: select, selects: selectedDb, inScript: () => OK },
  },
  {
    name: "quit",
    arity: -1,
    flags,
    group,
    summary: "Closes the connection.",
    since: "1.0.0",
    action: { kind: "control", run: quit },
  },
  {
    name: "reset",
    arity: 1,
    flags,
    group,
    summary: "Resets the connection to its initial state.",
    since: "6.2.0",
    action: { kind: "control", run: reset, alone: true },
  },
  {
    name: "auth",
    arity: -2,
    flags,
    group,
    summary: "Authenticates the client.",
    since: "1.0.0",
    action: { kind: "session", run: auth, alone: true },
  },
  {
    name: "hello",
    arity: -1,
    flags,
    group,
    summary: "Negotiates the version of the protocol.",
    since: "6.0.0",
    action: { kind: "session", run: hello, alone: true },
  },
];
