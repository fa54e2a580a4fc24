import type { Address } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";

/** A port that asks for a token, and how a client speaks there. */
export interface Door {
  readonly name: string;
  readonly address: Address;
  /** Whether the server speaks first, with a line. */
  readonly greets?: boolean;
  /** What a client with a token sends first. */
  hello(token: string): string;
  /** The first line of the reply to a valid token, and to another one. */
  readonly welcome: RegExp;
  readonly refusal: RegExp;
  /** A request that a client may repeat, and the first line of its reply. */
  readonly request?: readonly [text: string, reply: RegExp];
}

/** The addresses of a daemon whose services all have a token. */
export interface DoorAddresses {
  lines: Address;
  nats: Address;
  websocket: Address;
  kv: Address;
  beanstalk: Address;
  mesh: Address;
}

/** All doors of a daemon. */
export function doorsOf(addresses: DoorAddresses): Door[] {
  const line = (token: string) => `AUTH ${token}\n`;
  const said = { welcome: /^OK$/, refusal: /^ERR wrong token$/ };
  return [
    { ...said, name: "lines", address: addresses.lines, hello: line, request: ["\n", /^$/] },
    {
      name: "nats",
      address: addresses.nats,
      greets: true,
      hello: (token) => `CONNECT {"verbose":false,"auth_token":"${token}"}\r\nPING\r\n`,
      welcome: /^PONG$/,
      refusal: /^-ERR 'Authorization Violation'$/,
      request: ["PING\r\n", /^PONG$/],
    },
    {
      name: "websocket",
      address: addresses.websocket,
      hello: (token) =>
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
        `Authorization: Bearer ${token}\r\n\r\n`,
      welcome: /^HTTP\/1.1 101 /,
      refusal: /^HTTP\/1.1 401 /,
    },
    {
      ...said,
      name: "text",
      address: addresses.kv,
      hello: line,
      request: ["TTL x\n", /^NOT_FOUND$/],
    },
    {
      name: "redis",
      address: addresses.kv,
      hello: (token) => `*2\r\n$4\r\nAUTH\r\n$${token.length}\r\n${token}\r\n`,
      welcome: /^\+OK$/,
      refusal: /^-WRONGPASS /,
      request: ["PING\r\n", /^\+PONG$/],
    },
    {
      name: "beanstalk",
      address: addresses.beanstalk,
      hello: (token) => `auth ${token}\r\n`,
      welcome: /^AUTHENTICATED$/,
      refusal: /^WRONG_TOKEN$/,
      request: ["list-tube-used\r\n", /^USING default$/],
    },
    { ...said, name: "mesh", address: addresses.mesh, hello: line, request: ["STATUS\n", /^END$/] },
  ];
}

/** Connects with a token that must be valid. */
export async function enter(door: Door, token: string): Promise<TestClient> {
  const { client, reply } = await knock(door, token);
  if (door.welcome.test(reply)) return client;
  client.close();
  throw new Error(`${door.name}: a valid token got "${reply}"`);
}

/** Connects with a token that must not be valid. */
export async function expectRefusal(door: Door, token: string): Promise<void> {
  const { client, reply } = await knock(door, token);
  client.close();
  if (!door.refusal.test(reply)) throw new Error(`${door.name}: a wrong token got "${reply}"`);
}

/** Sends the request of a door on a connection that must still be open. */
export async function expectOpen(door: Door, client: TestClient): Promise<void> {
  if (door.request === undefined) return;
  const [text, expected] = door.request;
  await client.send(text);
  const reply = (await client.line()).trimEnd();
  if (!expected.test(reply)) throw new Error(`${door.name}: "${text.trim()}" got "${reply}"`);
}

async function knock(door: Door, token: string): Promise<{ client: TestClient; reply: string }> {
  const client = await TestClient.connect(door.address);
  try {
    if (door.greets) await client.line();
    await client.send(door.hello(token));
    return { client, reply: (await client.line()).trimEnd() };
  } catch (error) {
    client.close();
    throw error;
  }
}
