import type { Log } from "../log.ts";
import { Turn } from "../turn.ts";
import { type Address, formatAddress } from "./address.ts";
import type { Connection } from "./connection.ts";
import { RateLimits, type Rates } from "./rate_limits.ts";

/** The most clients on one page of a list. */
export const MAX_CLIENTS_PER_PAGE = 100;

/** A list is sorted if it has no more clients than this: a sort holds the thread. */
export const MAX_SORTED_CLIENTS = 10_000;

/** The longest text to look for, in characters. */
const MAX_MATCH_CHARS = 200;

/** The longest name that is reported, in characters. */
const MAX_NAME_CHARS = 100;

/** How a list can be sorted: the largest first. */
export const CLIENT_ORDERS = ["id", "received", "sent"] as const;

/** See {@linkcode CLIENT_ORDERS}. */
export type ClientOrder = typeof CLIENT_ORDERS[number];

/** One client, as JSON. */
export interface ClientJson {
  /** Identifies it within its service; never used twice. */
  id: number;
  /** The address of the port it is connected to. */
  port: string;
  /** Where it comes from, such as "127.0.0.1:40312". */
  address: string;
  /** The protocol it speaks; empty while that is not known. */
  protocol: string;
  /** The name it has given itself; empty if none. */
  name: string;
  ageMs: number;
  receivedBytes: number;
  sentBytes: number;
  /** What it does or waits for, such as "waits for a job". */
  state: string;
}

/** A page of a list of clients, as JSON. */
export interface ClientsJson {
  clients: ClientJson[];
  /** How many there are that match. */
  total: number;
  /** Whether there are too many to sort, so that they are in order of their ids. */
  unsorted: boolean;
}

/** What a list needs of a listener. */
export interface ClientSource {
  readonly address: Address;
  readonly connections: Iterable<Connection>;
}

/** Named fields of a question or an action. */
type Fields = Readonly<Record<string, unknown>>;

/**
 * The clients of one service, over all its ports. It keeps nothing for a client: it reads what each
 * connection counts anyway.
 */
export class ClientList {
  /** How fast the clients may send requests. */
  readonly rateLimits: RateLimits;
  readonly #log: Log;
  readonly #sources: ClientSource[] = [];
  #lastId = 0;

  /**
   * @param log Where it is noted that a client was disconnected by hand, or is over its rate limit.
   * @param rates The rate limits. @default {none}
   */
  constructor(log: Log, rates?: Rates) {
    this.#log = log;
    this.rateLimits = new RateLimits(log, rates);
  }

  /** The number for the next connection. */
  nextId(): number {
    return ++this.#lastId;
  }

  /** Adds a port. */
  add(source: ClientSource): void {
    this.#sources.push(source);
  }

  /**
   * The question `clients`. Its fields, all optional: `from` and `count` select a page, `match` is a
   * text in the address, the name or the protocol, and `order` one of {@linkcode CLIENT_ORDERS}.
   */
  readonly queries = {
    clients: async (fields: Fields): Promise<ClientsJson> => await this.#list(fields),
  };

  /** The action `disconnect`, which closes the connection of the `client` with a number. */
  readonly actions = {
    disconnect: async (fields: Fields): Promise<string> => {
      const id = wholeNumber(fields, "client", Number.MAX_SAFE_INTEGER);
      const [, connection] = await this.#find((connection) => connection.id === id);
      if (connection === undefined) throw new RangeError(`There is no client ${id}.`);
      this.#log.info("Client disconnected by hand", { client: id, address: connection.remote });
      connection.close();
      return `Client ${id} (${connection.remote}) is disconnected.`;
    },
  };

  async #list(fields: Fields): Promise<ClientsJson> {
    const from = wholeNumber(fields, "from", Number.MAX_SAFE_INTEGER, 0);
    const count = wholeNumber(fields, "count", MAX_CLIENTS_PER_PAGE, MAX_CLIENTS_PER_PAGE);
    const order = orderIn(fields);
    const match = matchIn(fields);
    const found: [ClientSource, Connection][] = [];
    await this.#find((connection, source) => {
      if (match === "" || describes(connection, match)) found.push([source, connection]);
      return false;
    });
    const unsorted = found.length > MAX_SORTED_CLIENTS;
    if (!unsorted) found.sort(([, a], [, b]) => COMPARE[order](a, b));
    const nowMs = performance.now();
    const page = found.slice(from, from + count);
    return {
      clients: page.map(([source, connection]) => clientJson(source, connection, nowMs)),
      total: found.length,
      unsorted,
    };
  }

  /** Finds the first connection that passes a test, in turns with other work. */
  async #find(
    passes: (connection: Connection, source: ClientSource) => boolean,
  ): Promise<[ClientSource, Connection] | []> {
    const turn = new Turn();
    for (const source of this.#sources) {
      for (const connection of source.connections) {
        if (passes(connection, source)) return [source, connection];
        if (turn.over) await turn.next();
      }
    }
    return [];
  }
}

const COMPARE: Record<ClientOrder, (a: Connection, b: Connection) => number> = {
  id: (a, b) => b.id - a.id,
  received: (a, b) => b.bytesReceived - a.bytesReceived || b.id - a.id,
  sent: (a, b) => b.bytesSent - a.bytesSent || b.id - a.id,
};

function clientJson(source: ClientSource, connection: Connection, nowMs: number): ClientJson {
  const { id, remote, openedMs, bytesReceived, bytesSent } = connection;
  const { protocol = "", name = "", state } = connection.client?.describe() ?? {};
  return {
    id,
    port: formatAddress(source.address),
    address: remote,
    protocol,
    name: name.slice(0, MAX_NAME_CHARS),
    ageMs: Math.max(0, Math.round(nowMs - openedMs)),
    receivedBytes: bytesReceived,
    sentBytes: bytesSent,
    state: stateOf(connection, state),
  };
}

/** What a client does or waits for, as far as its connection tells. */
function stateOf(connection: Connection, own: string | undefined): string {
  if (connection.heldBack) return "is over its rate limit";
  if (connection.writing) return "does not read";
  if (own !== undefined) return own;
  if (!connection.reading) return "waits for a reply";
  return connection.request === 0 ? "idle" : "sends a request";
}

function describes(connection: Connection, match: string): boolean {
  if (connection.remote.includes(match)) return true;
  const { name = "", protocol = "" } = connection.client?.describe() ?? {};
  return name.toLowerCase().includes(match) || protocol.toLowerCase().includes(match);
}

function orderIn(fields: Fields): ClientOrder {
  const given = fields["order"] ?? "id";
  const order = CLIENT_ORDERS.find((name) => name === given);
  if (order !== undefined) return order;
  throw new RangeError(`"order" must be one of ${CLIENT_ORDERS.join(", ")}.`);
}

function matchIn(fields: Fields): string {
  const match = fields["match"] ?? "";
  if (typeof match === "string" && match.length <= MAX_MATCH_CHARS) return match.toLowerCase();
  throw new RangeError(`"match" must be a text of at most ${MAX_MATCH_CHARS} characters.`);
}

function wholeNumber(fields: Fields, name: string, max: number, otherwise?: number): number {
  const value = fields[name] ?? otherwise;
  const isWhole = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  if (isWhole && value <= max) return value;
  throw new RangeError(`"${name}" must be a whole number from 0 to ${max}.`);
}
