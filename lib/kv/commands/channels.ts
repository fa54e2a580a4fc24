/**
 * Publishing and subscribing: SUBSCRIBE and its variants, PUBLISH and PUBSUB.
 *
 * Sharded channels exist for clusters. Here they are the same channels under another name: SPUBLISH
 * reaches the clients that used SUBSCRIBE, and PUBLISH those that used SSUBSCRIBE.
 *
 * @module
 */

import type { MaybePromise } from "../../storage/store.ts";
import { Turn } from "../../turn.ts";
import { ErrorReply, Push, Pushes, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { KeyPositions } from "./catalogue.ts";
import { type Command, type ScriptEffects, subcommandsOf } from "./command.ts";
import type { ChannelKind, ChannelPublisher, ClientChannels, ClientState } from "./context.ts";
import { SYNTAX_ERROR, wrongSubcommand } from "./errors.ts";
import { withHelp } from "./help.ts";

const group = "pubsub";

const MONITORING = new ErrorReply(
  "ERR a monitor cannot subscribe: use another connection, or RESET first",
);

/** What the replies count: sharded channels on their own, all others together. */
function countOf(kind: ChannelKind, channels: ClientChannels): number {
  return kind === "shard"
    ? channels.size("shard")
    : channels.size("channel") + channels.size("pattern");
}

function subscribe(kind: ChannelKind, word: string) {
  return (request: Request, { peer }: ClientState): Reply => {
    if (peer.monitoring) return MONITORING;
    const { channels } = peer;
    const pushes: (Push | ErrorReply)[] = [];
    for (let at = 1; at < request.count; at++) {
      const name = request.text(at);
      try {
        channels.subscribe(kind, name);
      } catch (error) {
        if (!(error instanceof ErrorReply)) throw error;
        // The client has to learn which subscriptions it has.
        return new Pushes([...pushes, error]);
      }
      pushes.push(new Push([word, name, countOf(kind, channels)]));
    }
    return new Pushes(pushes);
  };
}

function unsubscribe(kind: ChannelKind, word: string) {
  return (request: Request, { peer: { channels } }: ClientState): MaybePromise<Reply> => {
    if (request.count === 1) return unsubscribeAll(kind, word, channels);
    const pushes: Push[] = [];
    for (let at = 1; at < request.count; at++) {
      const name = request.text(at);
      channels.unsubscribe(kind, name);
      pushes.push(new Push([word, name, countOf(kind, channels)]));
    }
    return new Pushes(pushes);
  };
}

async function unsubscribeAll(
  kind: ChannelKind,
  word: string,
  channels: ClientChannels,
): Promise<Reply> {
  const pushes: Push[] = [];
  const turn = new Turn();
  for (const name of [...channels.names(kind)]) {
    channels.unsubscribe(kind, name);
    pushes.push(new Push([word, name, countOf(kind, channels)]));
    if (turn.over) await turn.next();
  }
  if (pushes.length === 0) pushes.push(new Push([word, null, countOf(kind, channels)]));
  return new Pushes(pushes);
}

function publish(request: Request, { publisher }: ClientState): MaybePromise<Reply> {
  return publishNow(publisher, request.text(1), payloadOf(request));
}

function publishNow(
  publisher: ChannelPublisher,
  channel: string,
  payload: Uint8Array,
): MaybePromise<Reply> {
  const audience = publisher.audience(channel);
  const wait = publisher.publish(channel, payload);
  return wait instanceof Promise ? wait.then(() => audience) : audience;
}

/** In a script: the message is sent when the changes of the script are durable. */
function publishInScript(request: Request, script: ScriptEffects): Reply {
  const { publisher } = script.context;
  const channel = request.text(1), payload = payloadOf(request);
  publisher.check(channel);
  script.afterCommit(async () => {
    try {
      await publisher.publish(channel, payload);
    } catch (error) {
      // The bus counts what did not get through; the script has long had its reply.
      if (!(error instanceof ErrorReply)) throw error;
    }
  });
  return publisher.audience(channel);
}

function payloadOf(request: Request): Uint8Array {
  return request.bytes.slice(request.start(2), request.end(2));
}

function names(kind: ChannelKind, name: string) {
  return (request: Request, { server: { channels } }: ClientState): MaybePromise<Reply> => {
    if (request.count > 3) return wrongSubcommand("pubsub", name);
    return channels.names(kind, request.count === 3 ? request.text(2) : undefined);
  };
}

function subscribers(kind: ChannelKind) {
  return (request: Request, { server: { channels } }: ClientState): Reply => {
    const counts: Reply[] = [];
    for (let at = 2; at < request.count; at++) {
      const name = request.text(at);
      counts.push(name, channels.subscribers(kind, name));
    }
    return counts;
  };
}

const flags = ["pubsub", "noscript", "loading", "stale"];
const PUBLISH = ["pubsub", "loading", "stale", "fast"];

/** Sharded channels are declared like keys. */
const ONE_CHANNEL: KeyPositions = { first: 1, last: 1, step: 1 };
const ALL_CHANNELS: KeyPositions = { first: 1, last: -1, step: 1 };

const subcommand = subcommandsOf({ flags: ["pubsub", "loading", "stale"], group, since: "2.8.0" });
const shardSubcommand = subcommandsOf({
  flags: ["pubsub", "loading", "stale"],
  group,
  since: "7.0.0",
});

/** Commands about channels. */
export const CHANNEL_COMMANDS: readonly Command[] = [
  {
    name: "subscribe",
    arity: -2,
    flags,
    group,
    summary: "Subscribes to channels.",
    since: "2.0.0",
    action: { kind: "session", run: subscribe("channel", "subscribe"), alone: true },
  },
  {
    name: "unsubscribe",
    arity: -1,
    flags,
    group,
    summary: "Ends subscriptions to channels, by default to all.",
    since: "2.0.0",
    action: { kind: "session", run: unsubscribe("channel", "unsubscribe"), alone: true },
  },
  {
    name: "psubscribe",
    arity: -2,
    flags,
    group,
    summary: "Subscribes to all channels that match patterns.",
    since: "2.0.0",
    action: { kind: "session", run: subscribe("pattern", "psubscribe"), alone: true },
  },
  {
    name: "punsubscribe",
    arity: -1,
    flags,
    group,
    summary: "Ends subscriptions to patterns, by default to all.",
    since: "2.0.0",
    action: { kind: "session", run: unsubscribe("pattern", "punsubscribe"), alone: true },
  },
  {
    name: "ssubscribe",
    arity: -2,
    flags,
    keys: ALL_CHANNELS,
    group,
    summary: "Subscribes to channels, under the name that clusters use.",
    since: "7.0.0",
    action: { kind: "session", run: subscribe("shard", "ssubscribe"), alone: true },
  },
  {
    name: "sunsubscribe",
    arity: -1,
    flags,
    keys: ALL_CHANNELS,
    group,
    summary: "Ends what SSUBSCRIBE began, by default all of it.",
    since: "7.0.0",
    action: { kind: "session", run: unsubscribe("shard", "sunsubscribe"), alone: true },
  },
  {
    name: "publish",
    arity: 3,
    flags: PUBLISH,
    group,
    summary: "Sends a message to all subscribers of a channel.",
    since: "2.0.0",
    action: { kind: "session", run: publish, inScript: publishInScript },
  },
  {
    name: "spublish",
    arity: 3,
    flags: PUBLISH,
    keys: ONE_CHANNEL,
    group,
    summary: "Sends a message to all subscribers of a channel, under the name that clusters use.",
    since: "7.0.0",
    action: { kind: "session", run: publish, inScript: publishInScript },
  },
  {
    name: "pubsub",
    arity: -2,
    flags: [],
    group,
    summary: "Returns who is subscribed to what.",
    since: "2.8.0",
    action: { kind: "session", run: () => SYNTAX_ERROR },
    subcommands: withHelp("pubsub", group, [
      subcommand(
        "channels",
        -2,
        "Returns the channels that clients are subscribed to.",
        names("channel", "CHANNELS"),
      ),
      subcommand(
        "numpat",
        2,
        "Returns the number of different patterns that clients are subscribed to.",
        (_, { server }) => server.channels.size("pattern"),
      ),
      subcommand(
        "numsub",
        -2,
        "Returns the number of clients subscribed to each of some channels.",
        subscribers("channel"),
      ),
      shardSubcommand(
        "shardchannels",
        -2,
        "Returns the channels that clients are subscribed to with SSUBSCRIBE.",
        names("shard", "SHARDCHANNELS"),
      ),
      shardSubcommand(
        "shardnumsub",
        -2,
        "Returns the number of clients that used SSUBSCRIBE, for each of some channels.",
        subscribers("shard"),
      ),
    ]),
  },
];
