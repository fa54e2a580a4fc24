import type { Address } from "../../lib/net/address.ts";
import { BusClient, type Kind, KINDS } from "../support/bus_client.ts";
import { type Part, pause, secretName } from "./part.ts";

const CLIENTS_PER_KIND = 2;
const BURST = 10;
const PAUSE_MS = 20;

/** Where clients of the bus connect, by their protocol, and the subject that all of them share. */
export interface BusDoors {
  readonly addresses: Readonly<Record<Kind, Address>>;
  readonly subject: string;
}

/**
 * Clients of all protocols that publish on one subject and hear each other: every message comes once,
 * those of each publisher in their order, and all clients see the same order.
 */
export function busPart(doors: BusDoors): Part {
  return {
    name: "bus",
    async run(stop) {
      using clients = new DisposableStack();
      const name = secretName();
      const all: BusClient[] = [];
      for (const kind of Array.from({ length: CLIENTS_PER_KIND }, () => KINDS).flat()) {
        all.push(clients.use(await join(doors, kind, name)));
      }
      await all[0]!.publish([`${name} begin`]);
      await Promise.all(all.map((client) => client.until(`${name} begin`)));
      for (const client of all) client.messages.length = 0;

      let rounds = 0;
      for (; !stop.aborted; rounds++) {
        const first = rounds * BURST;
        await Promise.all(
          all.map((client, id) =>
            client.publish(Array.from({ length: BURST }, (_, i) => `${name} ${id} ${first + i}`))
          ),
        );
        await Promise.all(all.map((client) => client.until(all.length * BURST)));
        check(all, first, name);
        await pause(PAUSE_MS, stop);
      }
      return `${rounds * BURST * all.length} messages, each to ${all.length} clients`;
    },
  };
}

/** Connects a client that keeps only messages of this part. It is in the room once it hears itself. */
async function join(
  { addresses, subject }: BusDoors,
  kind: Kind,
  name: string,
): Promise<BusClient> {
  const client = await BusClient.connect(kind, addresses[kind], subject);
  client.messages.length = 0;
  client.keeps = (message) => message.startsWith(`${name} `);
  const joined = `${name} joined`;
  await client.publish([joined]);
  await client.until(joined);
  return client;
}

/** Checks what all clients have heard in a round, and forgets it. */
function check(all: readonly BusClient[], first: number, name: string): void {
  const [order] = all.map(({ messages }) => messages.join("\n"));
  const next = all.map(() => first);
  for (const message of all[0]!.messages) {
    const [, id, number] = message.split(" ").map(Number);
    if (number !== next[id!]) throw new Error(`client ${id}: ${message} is not ${next[id!]}`);
    next[id!]!++;
  }
  for (const { kind, messages } of all) {
    if (messages.join("\n") !== order) {
      throw new Error(`${name}: over ${kind} came ${messages}, elsewhere ${order}`);
    }
    messages.length = 0;
  }
}
