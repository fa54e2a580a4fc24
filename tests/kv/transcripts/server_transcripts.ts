import { bulk, type Exchange, NIL, OK } from "./exchange.ts";

/** Commands on the connection and the server. */
export const SERVER_TRANSCRIPTS: Readonly<Record<string, readonly Exchange[]>> = {
  "the connection": [
    ["PING", "+PONG"],
    ["PING hello", bulk("hello")],
    ["PING a b", "-ERR wrong number of arguments for 'ping' command"],
    ["ECHO x", bulk("x")],
    ["CLIENT GETNAME", NIL],
    ["CLIENT SETNAME me", OK],
    ["CLIENT GETNAME", bulk("me")],
    ["CLIENT SETINFO LIB-NAME lib", OK],
    ["CLIENT SETINFO foo bar", "-ERR Unrecognized option 'foo'"],
    ["CLIENT NO-EVICT on", OK],
    ["CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."],
    ["CLIENT ID 1", "-ERR wrong number of arguments for 'client|id' command"],
    ["CLIENT KILL ID 0", "-ERR client-id should be greater than 0"],
    ["CLIENT KILL 1.2.3.4:5", "-ERR No such client"],
    ["CLIENT KILL USER nobody", "-ERR No such user 'nobody'"],
    ["HELLO 4", "-NOPROTO unsupported protocol version"],
    ["HELLO x", "-ERR Protocol version is not an integer or out of range"],
    ["AUTH default x", OK],
    ["AUTH nobody x", "-WRONGPASS invalid username-password pair or user is disabled."],
    ["RESET", "+RESET"],
    ["CLIENT GETNAME", NIL],
  ],
  "the server": [
    ["CONFIG GET databases", "*2\r\n$9\r\ndatabases\r\n$2\r\n16"],
    ["CONFIG GET nosuch", "*0"],
    ["CONFIG SET save 100", OK],
    ["CONFIG GET save", "*2\r\n$4\r\nsave\r\n$3\r\n100"],
    [
      "CONFIG SET maxmemory x",
      "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - " +
      "argument must be a memory value",
    ],
    ["CONFIG SET nosuch 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"],
    ["FUNCTION FLUSH", OK],
    ["COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb"],
    ["COMMAND LIST FILTERBY PATTERN getr*", "*1\r\n$8\r\ngetrange"],
    ["COMMAND INFO nosuch", "*1\r\n$-1"],
    [
      "COMMAND INFO get",
      "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n" +
      "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*0\r\n*0",
    ],
    [
      "LPUSH list x",
      "-ERR unknown command 'LPUSH', with args beginning with: 'list' 'x' ",
    ],
    ["DEBUG SLEEP 0", "-ERR DEBUG command not allowed."],
  ],
};
