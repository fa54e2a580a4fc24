import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { Address } from "../../lib/net/address.ts";
import { type Part, pause, secretName } from "./part.ts";

const RESPONDERS = 3;
const REQUESTS = 20;
const TIMEOUT_MS = 60_000;
const PAUSE_MS = 50;

/** A queue group that answers requests: each is served by one member, and gets one reply. */
export function natsRequestsPart(address: Address): Part {
  return {
    name: "requests",
    async run(stop) {
      const subject = `soak.${secretName()}`;
      const served = new Map<string, number>();
      const all: NatsConnection[] = [];
      try {
        for (let i = 0; i <= RESPONDERS; i++) all.push(await connection(address));
        const [asking, ...responding] = all as [NatsConnection, ...NatsConnection[]];
        for (const nc of responding) {
          nc.subscribe(subject, {
            queue: "workers",
            callback: (error, message) => {
              if (error) throw error;
              const text = message.string();
              served.set(text, (served.get(text) ?? 0) + 1);
              message.respond(`re ${text}`);
            },
          });
          await nc.flush();
        }
        let asked = 0;
        while (!stop.aborted) {
          const texts = Array.from({ length: REQUESTS }, () => `${asked++}`);
          await Promise.all(texts.map(async (text) => {
            const reply = await asking.request(subject, text, { timeout: TIMEOUT_MS });
            if (reply.string() !== `re ${text}`) throw new Error(`the reply is ${reply.string()}`);
          }));
          for (const text of texts) {
            if (served.get(text) !== 1) throw new Error(`${text} came ${served.get(text)} times`);
          }
          served.clear();
          await expectNobody(asking, `${subject}.nobody`);
          await pause(PAUSE_MS, stop);
        }
        return `${asked} requests, each served by one of ${RESPONDERS}`;
      } finally {
        await Promise.all(all.map((nc) => nc.close()));
      }
    },
  };
}

async function connection(address: Address): Promise<NatsConnection> {
  if (address.transport !== "tcp") throw new Error("The clients speak TCP");
  const servers = `${address.hostname}:${address.port}`;
  return await connect({ servers, reconnect: false, timeout: TIMEOUT_MS });
}

/** A request that nobody hears must fail at once, not time out. */
async function expectNobody(nc: NatsConnection, subject: string): Promise<void> {
  const reason = await nc.request(subject, "", { timeout: TIMEOUT_MS }).then(
    () => "answered",
    (error) => `${error.name} ${error.cause?.name}`,
  );
  if (!/NoResponders/.test(reason)) throw new Error(`a request to nobody was ${reason}`);
}
