import { Redis } from "ioredis";
import type { Address } from "../../lib/net/address.ts";
import { below, type Part, pause, secretName } from "./part.ts";

const ACCOUNTS = 8;
const BALANCE = 1000;
const SCRIPTS = 2, TRANSACTIONS = 2;
const PAUSE_MS = 5;

/** Moves an amount from one account to another, unless that would overdraw the first. */
const TRANSFER = `
local amount = tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[1])) < amount then return redis.status_reply('REFUSED') end
redis.call('DECRBY', KEYS[1], amount)
redis.call('INCRBY', KEYS[2], amount)
redis.call('INCR', KEYS[3])
return redis.status_reply('MOVED')`;

/** A busy machine may hold a script up beyond its limit. Nothing it did has an effect then. */
const STOPPED = /Script stopped, nothing was written/;

/**
 * Accounts between which scripts and transactions with WATCH move amounts: the sum never changes, no
 * account is overdrawn, and a counter knows how many scripts were done.
 */
export function kvAccountsPart(address: Address): Part {
  return {
    name: "accounts",
    async run(stop) {
      using clients = new DisposableStack();
      const connect = () => {
        if (address.transport !== "tcp") throw new Error("The clients speak TCP");
        const options = { retryStrategy: () => null, protocol: 3 } as const;
        const redis = new Redis(address.port, address.hostname, options);
        // A lost connection also rejects the commands on it.
        redis.on("error", () => {});
        return clients.adopt(redis, (client) => client.disconnect());
      };
      const name = secretName();
      const accounts = Array.from({ length: ACCOUNTS }, (_, i) => `${name}:${i}`);
      const [auditor] = [connect()];
      await auditor!.mset(...accounts.flatMap((account) => [account, `${BALANCE}`]));
      const done = { scripts: 0, transactions: 0, refused: 0, conflicts: 0, stopped: 0 };

      async function runScripts(redis: Redis): Promise<void> {
        while (!stop.aborted) {
          const [from, to] = pair(accounts);
          const amount = below(BALANCE);
          try {
            const reply = await redis.eval(TRANSFER, 3, from, to, `${name}:moved`, amount);
            if (reply === "MOVED") done.scripts++;
            else done.refused++;
          } catch (error) {
            if (!STOPPED.test(String(error))) throw error;
            done.stopped++;
          }
          await pause(PAUSE_MS);
        }
      }

      async function runTransactions(redis: Redis): Promise<void> {
        while (!stop.aborted) {
          const [from, to] = pair(accounts);
          await redis.watch(from, to);
          const [source, target] = (await redis.mget(from, to)).map(Number) as [number, number];
          const amount = below(source + 1);
          const replies = await redis.multi()
            .set(from, source - amount).set(to, target + amount).exec();
          if (replies === null) done.conflicts++;
          else done.transactions++;
          await pause(PAUSE_MS);
        }
      }

      async function audit(): Promise<void> {
        const balances = (await auditor!.mget(...accounts)).map(Number);
        const sum = balances.reduce((all, balance) => all + balance, 0);
        if (sum !== ACCOUNTS * BALANCE) throw new Error(`the sum is ${sum}: ${balances}`);
        if (balances.some((balance) => balance < 0)) throw new Error(`overdrawn: ${balances}`);
      }

      async function auditUntilStopped(): Promise<void> {
        while (!stop.aborted) {
          await audit();
          await pause(PAUSE_MS);
        }
      }

      await Promise.all([
        auditUntilStopped(),
        ...Array.from({ length: SCRIPTS }, () => runScripts(connect())),
        ...Array.from({ length: TRANSACTIONS }, () => runTransactions(connect())),
      ]);
      await audit();
      const moved = Number(await auditor!.get(`${name}:moved`));
      if (moved !== done.scripts) throw new Error(`${done.scripts} scripts counted ${moved}`);
      await auditor!.del(...accounts, `${name}:moved`);
      return `the sum stayed the same: ${JSON.stringify(done).replace(/[{}"]/g, "")}`;
    },
  };
}

/** Two different accounts. */
function pair(accounts: readonly string[]): [string, string] {
  const from = below(accounts.length);
  const to = (from + 1 + below(accounts.length - 1)) % accounts.length;
  return [accounts[from]!, accounts[to]!];
}
