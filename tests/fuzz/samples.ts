/**
 * Samples of every protocol, for parsers and for a running daemon. No command in them empties a
 * store, stops a service or moves another client's job.
 *
 * @module
 */

import type { Sample } from "./input.ts";

/** A command of the Redis protocol. */
function resp(...words: string[]): string {
  return `*${words.length}\r\n` + words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
}

/** A masked frame of a WebSocket client. The payload is text of ASCII. */
export function frame(first: number, payload: string): Uint8Array {
  const mask = [0x12, 0x34, 0x56, 0x78];
  const { length } = payload;
  const head = length < 126 ? [0x80 | length] : [0xfe, length >> 8, length & 0xff];
  const masked = Array.from(payload, (char, i) => char.charCodeAt(0) ^ mask[i & 3]!);
  return Uint8Array.of(first, ...head, ...mask, ...masked);
}

/** Lines for a port of echo. */
const LINE_SAMPLES: readonly Sample[] = ["hello\n", "AUTH token\r\n", "\n", "x".repeat(3000)];

/** Operations of NATS clients. */
export const NATS_SAMPLES: readonly Sample[] = [
  'CONNECT {"verbose":false,"pedantic":true,"protocol":1,"headers":true,"no_responders":true}\r\n',
  'CONNECT {"verbose":true,"auth_token":"x","echo":false}\r\n',
  "PING\r\n",
  "PONG\r\n",
  "PUB fuzz.a 5\r\nhello\r\n",
  "PUB fuzz.a 0\r\n\r\nPUB fuzz.a 1\r\nx\r\n",
  "PUB fuzz.b _INBOX.fuzz 2\r\nhi\r\n",
  "HPUB fuzz.c 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
  "HPUB fuzz.c reply 22 22\r\nNATS/1.0\r\nA: b\r\n\r\n\r\n",
  "SUB fuzz.* 1\r\n",
  "SUB fuzz.> workers 2\r\n",
  "UNSUB 1 3\r\nUNSUB 2\r\n",
  "+OK\r\n-ERR 'x'\r\nINFO {}\r\n",
];

/** Frames of WebSocket clients. */
export const WEBSOCKET_SAMPLES: readonly Sample[] = [
  frame(0x81, "hello"),
  frame(0x82, "two\nlines\n"),
  frame(0x01, "beg"),
  frame(0x00, "mid"),
  frame(0x80, "end"),
  frame(0x82, "PING\r\nPUB fuzz.a 2\r\nhi\r\n"),
  frame(0x89, "ping"),
  frame(0x8a, ""),
  frame(0x81, "x".repeat(300)),
  frame(0x88, "\x03\xe8bye"),
  frame(0x88, ""),
];

/** The start of a WebSocket conversation. */
export const WEBSOCKET_HANDSHAKES: readonly string[] = ["/", "/nats"].map((path) =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
);

/** Headers of the PROXY protocol, with something of the client's behind them. */
export const PROXY_SAMPLES: readonly Sample[] = [
  "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n",
  "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 65535 1\r\nPING\r\n",
  "PROXY UNKNOWN\r\n",
  "PROXY UNKNOWN whatever it says\r\n",
  Uint8Array.of(...v2(0x21, 0x11, 12), ...[192, 0, 2, 1, 192, 0, 2, 2, 4, 210, 0, 80]),
  Uint8Array.of(...v2(0x21, 0x21, 36), ...new Uint8Array(32).fill(0x20), 4, 210, 0, 80),
  Uint8Array.of(...v2(0x20, 0x00, 0)),
  Uint8Array.of(...v2(0x21, 0x31, 216), ...new Uint8Array(216)),
  Uint8Array.of(...v2(0x21, 0x00, 7), 1, 0, 4, 1, 2, 3, 4),
];

function v2(command: number, family: number, bytes: number): Uint8Array {
  const signature = new TextEncoder().encode("\r\n\r\n\0\r\nQUIT\n");
  return Uint8Array.of(...signature, command, family, bytes >> 8, bytes & 0xff);
}

/** Requests of Redis clients. */
export const REDIS_SAMPLES: readonly Sample[] = [
  resp("SET", "fuzz:a", "1"),
  resp("GET", "fuzz:a") + resp("PING"),
  resp("HELLO", "3") + resp("MULTI") + resp("INCR", "fuzz:n") + resp("EXEC"),
  resp("EVAL", "return redis.call('incr', KEYS[1])", "1", "fuzz:n"),
  resp("EVAL", "local t = {} for i = 1, 100 do t[i] = i end return t", "0"),
  resp("EVALSHA", "0".repeat(40), "0") + resp("SCRIPT", "LOAD", "return cjson.encode({1})"),
  resp("SUBSCRIBE", "fuzz.a") + resp("PSUBSCRIBE", "fuzz.[ab]*"),
  resp("PUBLISH", "fuzz.a", "hello"),
  resp("BITFIELD", "fuzz:b", "SET", "u8", "#1", "200", "OVERFLOW", "SAT", "INCRBY", "i5", "3", "9"),
  resp("SCAN", "0", "MATCH", "fuzz:*", "COUNT", "10"),
  resp("SETRANGE", "fuzz:r", "100", "x") + resp("GETRANGE", "fuzz:r", "-10", "-1"),
  resp("MGET", "fuzz:a", "fuzz:b"),
  "*2\r\n$4\r\nMGET\r\n$99999999\r\n",
  "*1000000\r\n$1\r\n",
  "*0\r\n*-1\r\n\r\n",
  'PING\r\nSET fuzz:q "a\\x41\\n\'" EX 100\r\n',
  "GET 'it\\'s'\r\n",
];

/** Requests in the text protocol of kv. */
export const KV_TEXT_SAMPLES: readonly Sample[] = [
  "PUT fuzz:a a value with blanks\r\n",
  "PUT fuzz:a \\n\\r\\\\\nGET fuzz:a\nLIST fuzz: AFTER fuzz:a LIMIT 3\n",
  "CAS fuzz:a \\x41\\s\\e new\nDELETEIF fuzz:a old\nEXISTS \\e\n",
  "INCR fuzz:n 99999999999999999999\nINCREX fuzz:n -5 60\n",
  "PUTEX fuzz:t 10 x\nTTL fuzz:t\nEXPIRE fuzz:t 5\nPERSIST fuzz:t\n",
  "MGET fuzz:a fuzz:b\nCOUNT\nHELP\nPUTNX fuzz:l 1\n",
  "FOLLOW fuzz:\n",
];

/** Commands of beanstalk clients. */
export const BEANSTALK_SAMPLES: readonly Sample[] = [
  "use fuzz\r\nwatch fuzz\r\nignore default\r\n",
  "put 0 0 10 5\r\nhello\r\n",
  "put 4294967296 0 0 999999999\r\n",
  "put-job 1 0 10 1 unique=k unique-for=1m unique-while=until\r\nx\r\n",
  "put-job 1 0 10 1 attempts=3 backoff=exponential:1s:1h expires=500ms timeout=1h30m\r\nx\r\n",
  "put-job 1 0 10 1 after=1,2,3\r\nx\r\n",
  "put-unique key 1 2 3 1\r\nx\r\n",
  "put-batch 2 28\r\n1 2 3 4\r\nabcd\r\n1 2 3 2\r\nab\r\n\r\n",
  "reserve-with-timeout 0\r\nreserve-batch 3 0\r\nreserve-job 99999999999\r\n",
  "stats\r\nstats-tube fuzz\r\nstats-job 1\r\nlist-tubes\r\n",
  "peek 1\r\npeek-ready\r\nkick 1\r\nkick-job 18446744073709551615\r\n",
  "list-jobs fuzz held 0 10\r\nlist-workers 0 1\r\nwait 1 0 progress\r\nresult 1\r\n",
  "done 1 2\r\nok\r\nfail 1 2\r\nno\r\nprogress 1 3\r\n50%\r\n",
  "pause-tube fuzz 0\r\nflush-tube fuzz ready\r\nmove fuzz fuzz2\r\nbury 1 1\r\ntouch 1\r\n",
];

/** Commands of people at a mesh. The inputs do not exist. */
export const MESH_SAMPLES: readonly Sample[] = [
  "SORT ../../etc/passwd out\n",
  'SORT "my file" sorted lines -t, -k2,2n -r top=10\n',
  "COUNT fuzz/*.csv out --csv -k name -u\n",
  "SORT fuzz-in out record=65536 key=0:10\n",
  "SORT fuzz-in out --json-key=a.b\n",
  "STATUS\nNODES\nHISTORY\nHELP\n",
  "RETRY 999999\nCANCEL 999999\n",
  'PEER {"version":2,"job":"x","node":0,"to":0,"nodes":2,"format":{"recordBytes":100,' +
  '"keyStart":0,"keyEnd":10},"partition":"sample"}\n',
  'CONTROL {"version":2,"job":"control","node":0,"to":1,"nodes":2}\n',
];

/** Requests to admin that change nothing. */
const HTTP_SAMPLES: readonly Sample[] = [
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
  "GET /state?log=5 HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n",
  "GET /history?range=300 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
  "POST /services/kv/queries/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n" +
  'Content-Length: 23\r\n\r\n{"db":0,"prefix":"fuzz"}',
  "POST /services/echo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n{",
  "POST /consoles/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
];

/** The samples for each port of a daemon. */
export const PORT_SAMPLES = {
  lines: LINE_SAMPLES,
  nats: NATS_SAMPLES,
  websocket: WEBSOCKET_SAMPLES,
  kv: [...REDIS_SAMPLES, ...KV_TEXT_SAMPLES],
  push: LINE_SAMPLES,
  beanstalk: BEANSTALK_SAMPLES,
  mesh: MESH_SAMPLES,
  admin: HTTP_SAMPLES,
} as const;

/** The ports of a daemon. */
export type PortName = keyof typeof PORT_SAMPLES;
