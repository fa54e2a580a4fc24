/**
 * Sends the same commands about channels to quartet and to Redis, and compares everything that all
 * clients receive after each of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HAS_REDIS, TestRedis } from "../redis_server.ts";
import { RawClient, TestKv } from "../support.ts";

/** Who sends what: commands, sent together. */
type Step = [client: "a" | "b", commands: string];

const CONVERSATIONS: Readonly<Record<string, readonly Step[]>> = {
  "subscribe, publish, unsubscribe": [
    ["b", "PUBLISH x nobody"],
    ["a", "SUBSCRIBE x"],
    ["a", "SUBSCRIBE x y"],
    ["b", "PUBLISH x one"],
    ["b", "PUBLISH y ''"],
    ["b", "PUBLISH z none"],
    ["a", "UNSUBSCRIBE x nosuch"],
    ["b", "PUBLISH x two"],
    ["a", "UNSUBSCRIBE"],
    ["a", "UNSUBSCRIBE"],
    ["b", "PUBLISH y three"],
    ["a", "SET k v"],
  ],
  "patterns": [
    ["a", "PSUBSCRIBE n* [xy]z ?"],
    ["b", "PUBLISH news hello"],
    ["b", "PUBLISH xz hello"],
    ["b", "PUBLISH q hello"],
    ["b", "PUBLISH none hello"],
    ["b", "PUBLISH one hello"],
    ["a", "SUBSCRIBE news"],
    ["a", "PUNSUBSCRIBE [xy]z n*"],
    ["b", "PUBLISH news again"],
    ["a", "PUNSUBSCRIBE"],
    ["a", "PUNSUBSCRIBE"],
    ["a", "UNSUBSCRIBE"],
  ],
  "names that are no subjects": [
    ["a", "SUBSCRIBE a..b * > a.* .x x. '' \xff\xfe __a"],
    ["a", "PSUBSCRIBE *..*"],
    ...["a..b", "*", ">", "a.*", ".x", "x.", "", "\xff\xfe", "a.b", "\xff", "__a"]
      .map((channel): Step => ["b", `PUBLISH ${channel || "''"} m`]),
  ],
  "what a subscriber may send": [
    ["a", "SUBSCRIBE x"],
    ["a", "GET k"],
    ["a", "MULTI; DISCARD"],
    ["a", "CLIENT ID x"],
    ["a", "CLIENT NOSUCH"],
    ["a", "NOSUCH"],
    ["a", "GET"],
    ["a", "PING"],
    ["a", "PING text"],
    ["a", "PING too many"],
    ["a", "PUBSUB NUMPAT"],
    ["a", "PUBLISH y m"],
    ["a", "CLIENT SETNAME me"],
    ["a", "RESET"],
    ["b", "PUBLISH x m"],
    ["a", "SET k v"],
  ],
  "sharded channels": [
    ["a", "SSUBSCRIBE s t"],
    ["a", "SSUBSCRIBE s"],
    ["b", "SPUBLISH s one"],
    ["b", "PUBSUB SHARDCHANNELS s*"],
    ["b", "PUBSUB SHARDNUMSUB s t u"],
    ["a", "GET x"],
    ["a", "SUNSUBSCRIBE s"],
    ["b", "SPUBLISH s two"],
    ["a", "SUNSUBSCRIBE"],
    ["a", "SUNSUBSCRIBE"],
    ["b", "SPUBLISH t three"],
  ],
  "PUBSUB": [
    ["b", "PUBSUB CHANNELS"],
    ["a", "SUBSCRIBE one"],
    ["a", "PSUBSCRIBE o* t*"],
    ["b", "PSUBSCRIBE o*"],
    ["b", "PUNSUBSCRIBE"],
    ["b", "PUBSUB CHANNELS"],
    ["b", "PUBSUB CHANNELS o?e"],
    ["b", "PUBSUB CHANNELS x*"],
    ["b", "PUBSUB CHANNELS a b"],
    ["b", "PUBSUB NUMSUB"],
    ["b", "PUBSUB NUMSUB one two"],
    ["b", "PUBSUB NUMPAT"],
    ["b", "PUBSUB NUMPAT x"],
    ["b", "PUBSUB NOSUCH"],
    ["b", "PUBSUB"],
  ],
  "transactions and scripts": [
    ["a", "SUBSCRIBE x"],
    ["b", "MULTI; PUBLISH x one; SET k v; PUBLISH x two; EXEC"],
    ["b", "MULTI; PUBLISH x never; DISCARD"],
    ["b", "MULTI; PUBSUB NUMSUB x y; PUBLISH x one; NOSUCH; EXEC"],
    ["b", "EVAL return{redis.call('publish','x','three'),redis.call('spublish','y','m')} 0"],
    ["b", "EVAL return{redis.pcall('subscribe','x')} 0"],
    ["b", "MULTI; SUBSCRIBE y z; EXEC"],
    ["a", "UNSUBSCRIBE"],
    ["a", "PUBLISH y four"],
  ],
  "wrong numbers of arguments": [
    ["b", "SUBSCRIBE"],
    ["b", "PSUBSCRIBE"],
    ["b", "SSUBSCRIBE"],
    ["b", "PUBLISH x"],
    ["b", "PUBLISH x y z"],
    ["b", "SPUBLISH x"],
    ["b", "PUBSUB NUMPAT x"],
  ],
  "replies turned off": [
    ["a", "CLIENT REPLY SKIP; SUBSCRIBE x"],
    ["b", "PUBLISH x one"],
    ["a", "UNSUBSCRIBE"],
    ["a", "CLIENT REPLY OFF; SUBSCRIBE x; GET k; UNSUBSCRIBE; CLIENT REPLY ON"],
  ],
};

/** Clients of one server. */
interface Clients {
  a: RawClient;
  b: RawClient;
}

/** Sends commands, and returns what all clients receive until they answer a later PING. */
async function take(clients: Clients, [client, commands]: Step, mark: string): Promise<string[]> {
  for (const command of commands.split("; ")) {
    const words = command.split(" ").map((word) => word === "''" ? "" : word);
    await clients[client].request(...words);
  }
  const received = [];
  for (const each of [clients[client], clients.a, clients.b]) {
    await each.request("PING", mark);
    let text = "";
    for (let reply = ""; !reply.includes(mark);) text += reply = await each.reply();
    received.push(text.replaceAll(mark, "mark"));
  }
  return received;
}

for (const protocol of ["2", "3"]) {
  Deno.test({
    name: `kv: channels behave as in Redis, in RESP${protocol}`,
    ignore: !HAS_REDIS,
    async fn(t) {
      await using redis = await TestRedis.start();
      await using ours = await TestKv.start();
      const address = { transport: "unix", path: redis.path } as const;
      for (const [topic, steps] of Object.entries(CONVERSATIONS)) {
        await t.step(topic, async () => {
          using theirA = await RawClient.connect(address);
          using theirB = await RawClient.connect(address);
          using ourA = await ours.connect();
          using ourB = await ours.connect();
          const their = { a: theirA, b: theirB }, our = { a: ourA, b: ourB };
          for (const client of [theirA, theirB, ourA, ourB]) {
            await client.ask("HELLO", protocol);
          }
          for (const [index, step] of steps.entries()) {
            const mark = `mark-${index}`;
            assert.deepEqual(
              await take(our, step, mark),
              await take(their, step, mark),
              step.join(": "),
            );
          }
        });
      }
    },
  });
}
