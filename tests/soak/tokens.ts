import { TestClient } from "../support/client.ts";
import type { DaemonProcess } from "../support/daemon.ts";
import { type Door, enter, expectOpen, expectRefusal } from "./doors.ts";
import { type Part, pause, secretName } from "./part.ts";

const ROTATE_EVERY_MS = 3000;

/** A token that stays, and where the one that changes is read from. */
export interface TokenPlan {
  steadyToken: string;
  rotatingFile: string;
  /** The configuration; the rotating token may have limited rights. */
  config(isLimited: boolean): string;
}

/**
 * Changes a token, or its rights, again and again: its clients are closed everywhere, the old token is
 * refused, the new one gets in, and clients of another token stay.
 */
export function tokensPart(daemon: DaemonProcess, doors: readonly Door[], plan: TokenPlan): Part {
  let token = secretName();
  let reloads = 0;
  const all = <T>(work: (door: Door) => Promise<T>) => Promise.all(doors.map(work));

  async function reload(isLimited: boolean): Promise<void> {
    await Deno.writeTextFile(plan.rotatingFile, `${token}\n`);
    await Deno.writeTextFile(daemon.configFile, plan.config(isLimited));
    daemon.signal("SIGHUP");
    await daemon.loggedTimes("msg=Reloaded", ++reloads);
  }

  return {
    name: "tokens",
    async run(stop) {
      using open = new DisposableStack();
      const steady = await all(async (door) => open.use(await enter(door, plan.steadyToken)));
      await reload(false);
      let clients = await all((door) => enter(door, token));
      let isLimited = false;
      let turns = 0;
      for (; !stop.aborted; turns++) {
        const before = token;
        // In turn, the token changes, its rights change, and it stays for a reload.
        if (turns % 3 === 0) token = secretName();
        if (turns % 3 === 1) isLimited = !isLimited;
        await reload(isLimited);
        if (turns % 3 === 2) {
          await Promise.all(doors.map((door, i) => expectOpen(door, clients[i]!)));
        } else {
          // A connection that stays open would run into the deadline of the client.
          for (const client of clients) {
            await client.rest().catch(ignoreReset);
            client.close();
          }
          if (token !== before) await all((door) => expectRefusal(door, before));
          clients = await all((door) => enter(door, token));
        }
        await Promise.all(doors.map((door, i) => expectOpen(door, steady[i]!)));
        await expectRights(doors, { token, isLimited });
        await pause(ROTATE_EVERY_MS, stop);
      }
      for (const client of clients) client.close();
      return `${turns} reloads with another token, other rights or neither`;
    },
  };
}

/** A limited token may read but not write. */
async function expectRights(
  doors: readonly Door[],
  { token, isLimited }: { token: string; isLimited: boolean },
): Promise<void> {
  const door = doors.find(({ name }) => name === "text")!;
  using client: TestClient = await enter(door, token);
  await client.send("PUT app:x 1\n");
  const reply = await client.line();
  const expected = isLimited ? "ERR no right to write this key\n" : "OK\n";
  if (reply !== expected) throw new Error(`a token, limited: ${isLimited}, got ${reply}`);
}

function ignoreReset(error: unknown): void {
  if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
}
