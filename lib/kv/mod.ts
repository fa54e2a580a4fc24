/**
 * The kv service: a durable key-value store. One port serves the text protocol and the Redis
 * protocol.
 *
 * @module
 */

import { Bus } from "../bus/bus.ts";
import { PublisherMetrics } from "../bus/publisher.ts";
import { READER_KEYS } from "../bus/reader.ts";
import { Readers } from "../bus/readers.ts";
import {
  listenerLimits,
  listenerOptions,
  LIVE_LIMITS,
  serviceRates,
} from "../config/service_keys.ts";
import { ClientList } from "../net/client_list.ts";
import type { Connection } from "../net/connection.ts";
import { formatAddress } from "../net/address.ts";
import { Listener } from "../net/listener.ts";
import { connectionMetrics } from "../net/listener_metrics.ts";
import { LOGIN_REPLIES } from "../net/line_login.ts";
import { LINE_REPLIES } from "../net/line_replies.ts";
import { beginLogin, type Login } from "../net/login.ts";
import { ReadBuffer } from "../net/read_buffer.ts";
import type { RunningService, Service, ServiceContext } from "../service.ts";
import { prepareKeys, restoreKeys } from "../storage/backup/key_records.ts";
import type { EvictionPolicy } from "../storage/eviction_policy.ts";
import type { Storage } from "../storage/storage.ts";
import { SlowCommands } from "../slow_commands.ts";
import { SharedTurn } from "../turn.ts";
import { kvActions, kvQueries } from "./browse.ts";
import { ALL_COMMANDS } from "./commands/all.ts";
import { DATABASES } from "./commands/arguments.ts";
import { CursorTable } from "./commands/cursors.ts";
import { ServerSettings } from "./commands/settings.ts";
import { CommandTable } from "./commands/table.ts";
import { ChangeFeed } from "./changes/change_feed.ts";
import { formatEventClasses, parseEventClasses } from "./changes/event_classes.ts";
import { KeyspaceEvents } from "./changes/keyspace_events.ts";
import { ObservedStore } from "./changes/observed_store.ts";
import { CommandMetrics } from "./command_metrics.ts";
import { CommandWatch } from "./command_watch.ts";
import { type KvConfig, kvConfigSchema } from "./config.ts";
import { detectLanguage, type LanguageWords, readLogin } from "./language.ts";
import { type KvLimits, maxUnreadBytes } from "./limits.ts";
import { labelled } from "./labelled_commands.ts";
import { kvMetrics } from "./metrics.ts";
import { type ChannelLimits, Channels } from "./pubsub/channels.ts";
import { channelMetrics } from "./pubsub/metrics.ts";
import { type RedisServer, serveRedisClient } from "./redis_client.ts";
import { kvRights, mayHearKeys } from "./rights.ts";
import { scriptCommands } from "./script/commands.ts";
import type { LuaLimits } from "./script/lua_machine.ts";
import { ScriptEngine } from "./script/script_engine.ts";
import { StoreLoader } from "./store_loader.ts";
import { Followers, type Following } from "./text/followers.ts";
import { TextConnection } from "./text/connection.ts";
import { isTextName } from "./text/parser.ts";

const encoder = new TextEncoder();

/** The reply to a client beyond `max_clients`: the words of Redis, and a line in either protocol. */
const FULL_REPLY = encoder.encode("-ERR max number of clients reached\r\n");

/** The reply to a client that takes too long to send a request, in the Redis protocol. */
const TIMEOUT_REPLY = encoder.encode("-ERR request timeout\r\n");

/** The keys that can change while it runs. */
const LIVE_KEYS = [
  ...LIVE_LIMITS,
  ...READER_KEYS,
  "slow_command",
  "max_line",
  "max_value",
  "max_request",
  "max_arguments",
  "max_queued",
  "max_channels",
  "max_patterns",
  "max_memory",
  "max_memory_policy",
  "notify_keyspace_events",
  "script_timeout",
  "script_memory",
] as const;

/** The kv service, as listed in the table of services. */
export const kv: Service<KvConfig> = {
  name: "kv",
  schema: kvConfigSchema,
  rights: kvRights,
  hears: mayHearKeys,
  live: LIVE_KEYS,
  needs: (config) => ({ storages: [config.storage] }),
  addresses: (config) => [config.listen],
  restore: {
    tables: "kv_",
    prepare: prepareKeys,
    fill: (log, transaction) => restoreKeys(log, DATABASES, transaction),
  },
  start,
};

async function start(config: KvConfig, context: ServiceContext): Promise<RunningService> {
  const { log } = context;
  let current = config;
  const scripts = new ScriptEngine({
    limits: luaLimits(config),
    commands: (): CommandTable => commands,
  });
  const commands = new CommandTable(labelled([...ALL_COMMANDS, ...scriptCommands(scripts)]));
  const words: LanguageWords = {
    isText: isTextName,
    isRedis: (word) => commands.get(word) !== undefined,
  };
  const loader = new StoreLoader({
    maxBytes: config.max_memory,
    policy: config.max_memory_policy,
  });
  const watch = new CommandWatch(new SlowCommands("kv", log, config.slow_command));
  const feed = new ChangeFeed((active) => follow(feed, active, { loader, watch }));
  const readers = new Readers(config, log);
  const published = new PublisherMetrics();
  const channels = new Channels(context.bus, new Bus(), channelLimits(config));
  const events = new KeyspaceEvents(
    feed,
    (channel, payload) => channels.announce(channel, payload),
  );
  events.select(config.notify_keyspace_events);
  const server: RedisServer & { following: Following } = {
    log,
    get store() {
      return loader.store;
    },
    get loading() {
      return loader.loading;
    },
    commands,
    cursors: new CursorTable(),
    turn: new SharedTurn(),
    limits: limitsOf(config),
    metrics: new CommandMetrics(commands.all.length),
    settings: settingsOf(config, { watch, loader, events }),
    watch,
    channels,
    readers,
    following: { followers: new Followers(feed), readers },
    published,
    admits: context.admits,
    clients: new Map(),
    // Clients are served only once the listener exists, so none can ask too early.
    get address() {
      return formatAddress(listener.address);
    },
    startedMs: Date.now(),
    lastSaveMs: Date.now(),
    runId: crypto.randomUUID().replaceAll("-", "").padEnd(40, "0"),
    accepted: () => listener.metrics().accepted,
    save: () => loader.save(),
  };
  const connected = new ClientList(log, serviceRates(config));
  const listener = await Listener.listen(config.listen, {
    clients: connected,
    maxClients: config.max_clients,
    idleTimeoutMs: config.idle_timeout,
    fullReply: FULL_REPLY,
    timeoutReply: TIMEOUT_REPLY,
    log,
    ...listenerOptions(config),
    handle: async (connection) => {
      using login = beginLogin(connection, context);
      await serve(connection, server, words, login);
    },
  });
  const loaded = load(loader, server.settings, () => context.storage(config.storage));
  return {
    addresses: [listener.address],
    loaded,
    queries: { ...connected.queries, ...kvQueries(() => loader.store) },
    actions: { ...connected.actions, ...kvActions(() => loader.store) },
    data: () => loader.data(),
    reread: () => listener.reloadTls(),
    adjust: (next: KvConfig) => {
      listener.setLimits(listenerLimits(next));
      readers.setLimits(next);
      connected.rateLimits.setRates(serviceRates(next));
      watch.slow.setLimit(next.slow_command);
      Object.assign(server.limits, limitsOf(next));
      Object.assign(channels.limits, channelLimits(next));
      void scripts.setLimits(luaLimits(next)).then((problem) => {
        if (problem !== undefined) log.warn("Scripts keep their old limits", { error: problem });
      });
      // What CONFIG SET has changed stays, unless the file changes it too.
      const before = configuredSettings(current);
      for (const [name, value] of Object.entries(configuredSettings(next))) {
        if (value !== before[name]) server.settings.set(name, value);
      }
      current = next;
    },
    problems: () => {
      const problem = loader.store.problem();
      return problem === undefined ? [] : [problem];
    },
    metrics: () => [
      ...connected.rateLimits.metrics("kv"),
      ...connectionMetrics("kv", listener.metrics()),
      ...kvMetrics(server),
      ...watch.slow.metrics(),
      ...channelMetrics({
        ...{ channels, published },
        readers: readers.metrics(),
        droppedEvents: events.dropped,
      }),
    ],
    drain: async (deadline) => {
      watch.pause.end();
      await listener.drain(deadline);
      await loader.close();
    },
  };
}

async function load(
  loader: StoreLoader,
  settings: ServerSettings,
  openStorage: () => Promise<Storage>,
): Promise<void> {
  const { durable } = await loader.load(openStorage);
  settings.set("appendonly", durable ? "yes" : "no");
}

function limitsOf(config: KvConfig): KvLimits {
  return {
    maxValueBytes: config.max_value,
    maxArgumentBytes: config.max_value,
    maxRequestBytes: config.max_request,
    maxArguments: config.max_arguments,
    maxQueued: config.max_queued,
    maxQueuedBytes: config.max_request,
    maxLineBytes: config.max_line,
    maxClients: config.max_clients,
  };
}

function luaLimits(config: KvConfig): LuaLimits {
  return { timeoutMs: config.script_timeout, memoryBytes: config.script_memory };
}

function channelLimits(config: KvConfig): ChannelLimits {
  return { maxClientChannels: config.max_channels, maxPatterns: config.max_patterns };
}

/** The settings that follow from the configuration. */
function configuredSettings(config: KvConfig): Record<string, string> {
  return {
    "maxclients": String(config.max_clients),
    "maxmemory": String(config.max_memory),
    "maxmemory-policy": config.max_memory_policy,
    "notify-keyspace-events": formatEventClasses(
      parseEventClasses(config.notify_keyspace_events)!,
    ),
    "proto-max-bulk-len": String(config.max_value),
    "timeout": String(Math.ceil(config.idle_timeout / 1000)),
  };
}

/** Lets a feed see all changes from now on, or no longer. */
function follow(feed: ChangeFeed, active: boolean, { loader, watch }: FollowTargets): void {
  watch.followed = active;
  loader.putInFront(active ? (store) => new ObservedStore(store, feed) : undefined);
}

/** What following the store has an effect on. */
interface FollowTargets {
  loader: StoreLoader;
  watch: CommandWatch;
}

/** What settings have an effect on. */
interface SettingsTargets {
  events: KeyspaceEvents;
  watch: CommandWatch;
  loader: StoreLoader;
}

function settingsOf(config: KvConfig, { watch, loader, events }: SettingsTargets): ServerSettings {
  const settings = new ServerSettings({
    "appendfsync": "always",
    "bind": config.listen.transport === "tcp" ? config.listen.hostname : "",
    "port": config.listen.transport === "tcp" ? String(config.listen.port) : "0",
    "databases": String(DATABASES),
    ...configuredSettings(config),
    "slowlog-log-slower-than": String(watch.slowLog.slowerThanUs),
    "slowlog-max-len": String(watch.slowLog.maxEntries),
  });
  settings.onChange("slowlog-log-slower-than", (us) => watch.setSlowerThan(Number(us)));
  settings.onChange("slowlog-max-len", (count) => watch.slowLog.maxEntries = Number(count));
  settings.onChange("notify-keyspace-events", (letters) => events.select(letters));
  settings.onChange("maxmemory", (bytes) => {
    loader.limits = { ...loader.limits, maxBytes: Number(bytes) || Number.MAX_SAFE_INTEGER };
  });
  settings.onChange(
    "maxmemory-policy",
    (policy) => {
      loader.limits = { ...loader.limits, policy: policy as EvictionPolicy };
    },
    (policy) => policy === "noeviction" || loader.evicts ? undefined : "a database does not evict",
  );
  return settings;
}

/**
 * Serves a client in the language of its first line. If the service requires a token, a line with
 * `AUTH` and the token may come before that line.
 */
async function serve(
  connection: Connection,
  server: RedisServer & { following: Following },
  words: LanguageWords,
  login: Login | undefined,
): Promise<void> {
  const buffer = new ReadBuffer({ maxBytes: maxUnreadBytes(server.limits), growsInTurns: true });
  for (;;) {
    const { bytes, start, end } = buffer;
    const pending = login?.pending ?? false;
    const shown = pending ? readLogin(bytes, start, end) : undefined;
    if (shown !== undefined) {
      const verdict = await login!.showInTurn(shown.token);
      await connection.write(LOGIN_REPLIES[verdict]);
      if (verdict !== "right") return;
      buffer.consume(shown.length);
      continue;
    }
    const language = detectLanguage(bytes, start, end, words, { login: pending });
    if (language === "hang up") return;
    if (language === "resp") {
      return await serveRedisClient(connection, buffer, { server, login });
    }
    if (language === "text") {
      if (pending) return await connection.write(LOGIN_REPLIES.missing);
      connection.timeoutReply = LINE_REPLIES.timeoutReply;
      const unread = buffer.bytes.subarray(start, end);
      return await new TextConnection(connection, unread, server, login).serve();
    }
    if (!await buffer.fill(connection)) return;
  }
}
