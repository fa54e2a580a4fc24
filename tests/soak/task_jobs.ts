import type { Address } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { below, type Part, pause, secretName } from "./part.ts";

const WORKERS = 4;
const BATCH = 10;
/** The producer pauses while more jobs than this are waiting. */
const BACKLOG_MAX = 500;

/** A producer and workers, some of which disconnect with a job reserved: each job is done once. */
export function taskJobsPart(address: Address): Part {
  return {
    name: "jobs",
    async run(stop) {
      const tube = secretName();
      const open = new Set<string>();
      let put = 0;
      let deaths = 0;
      let producing = true;

      async function produce(): Promise<void> {
        using client = await TestClient.connect(address);
        await client.send(`use ${tube}\r\n`);
        await client.line();
        while (!stop.aborted) {
          if (open.size > BACKLOG_MAX) {
            await pause(10);
            continue;
          }
          await client.send(`put 0 0 60 4\r\njob!\r\n`.repeat(BATCH));
          for (let i = 0; i < BATCH; i++) {
            const [word, id] = (await client.line()).trim().split(" ");
            if (word !== "INSERTED") throw new Error(`the reply to put is ${word}`);
            open.add(id!);
            put++;
          }
        }
      }

      async function work(): Promise<void> {
        while (producing || open.size > 0) {
          using client = await TestClient.connect(address);
          // Misbehaving clients put garbage into the default tube.
          await client.send(`watch ${tube}\r\nignore default\r\n`);
          await client.line();
          await client.line();
          while (producing || open.size > 0) {
            await client.send("reserve-with-timeout 1\r\n");
            const [word, id] = (await client.line()).trim().split(" ");
            if (word === "TIMED_OUT") continue;
            if (word !== "RESERVED") throw new Error(`the reply to reserve is ${word}`);
            await client.line();
            if (below(100) === 0) {
              deaths++;
              break;
            }
            await client.send(`delete ${id}\r\n`);
            const reply = await client.line();
            if (reply !== "DELETED\r\n") throw new Error(`the reply to delete is ${reply}`);
            // The reply to its put may still be on its way to the producer.
            while (!open.delete(id!)) {
              if (!producing) throw new Error(`job ${id} was done twice`);
              await pause(1);
            }
          }
        }
      }

      await Promise.all([
        produce().finally(() => producing = false),
        ...Array.from({ length: WORKERS }, work),
      ]);
      return `${put} jobs, each done once, while ${deaths} workers died with one reserved`;
    },
  };
}
