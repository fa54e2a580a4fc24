/**
 * What a command can see and change besides its arguments: the client that sent it and the server.
 *
 * These are interfaces, so that commands do not depend on the session that runs them.
 *
 * @module
 */

import type { Login } from "../../net/login.ts";
import type { SharedTurn } from "../../turn.ts";
import type { MaybePromise, Place, Store } from "../../storage/store.ts";
import type { CommandMetrics } from "../command_metrics.ts";
import type { CommandWatch } from "../command_watch.ts";
import type { KvLimits } from "../limits.ts";
import type { ErrorReply, Reply } from "../resp/reply.ts";
import type { Catalogue } from "./catalogue.ts";
import type { RightsHolder } from "./denial.ts";
import type { CursorTable } from "./cursors.ts";
import type { ServerSettings } from "./settings.ts";

/** What a command on keys may know besides its arguments. */
export interface CommandContext {
  /** The selected database. */
  readonly db: number;
  /** The longest value allowed. */
  readonly maxValueBytes: number;
  /** The positions of scans. */
  readonly cursors: CursorTable;
  /** The time that the scripts of one EXEC have taken; they share one limit. */
  readonly scriptTime?: ScriptTime;
  /** The client's way to publish. */
  readonly publisher: ChannelPublisher;
  /** Knows the client's rights; `undefined` if the service requires no token. */
  readonly login?: RightsHolder | undefined;
}

/** A client's way to publish. */
export interface ChannelPublisher {
  /**
   * Checks that clients may publish on a channel.
   *
   * @throws {ErrorReply} If not.
   */
  check(channel: string): void;
  /** How many subscribers of any protocol a message would reach. */
  audience(channel: string): number;
  /**
   * Publishes a message after all that this client has published before.
   *
   * @param payload It must not change from now on.
   * @returns A promise if the client must not be read before it resolves.
   * @throws {ErrorReply} If clients must not publish on this channel.
   */
  publish(channel: string, payload: Uint8Array): MaybePromise<void>;
}

/** How a client has subscribed: SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE. */
export type ChannelKind = "channel" | "pattern" | "shard";

/** The channels of a client. */
export interface ClientChannels extends ChannelPublisher {
  /** The number of all subscriptions. */
  readonly count: number;
  /** The number of subscriptions of a kind. */
  size(kind: ChannelKind): number;
  /** The names of a kind. */
  names(kind: ChannelKind): Iterable<string>;
  /**
   * Subscribes, unless that is done already. Messages follow the reply to the present command.
   *
   * @throws {ErrorReply} If there are too many subscriptions, or the name is too long.
   */
  subscribe(kind: ChannelKind, name: string): void;
  /** Ends a subscription, if there is one. */
  unsubscribe(kind: ChannelKind, name: string): void;
  /** Ends all subscriptions, in turns with other work. */
  leave(): Promise<void>;
}

/** The channels of all clients of the service. */
export interface ServerChannels {
  /** The number of different names of a kind. */
  size(kind: ChannelKind): number;
  /** How many clients are subscribed to a name. */
  subscribers(kind: ChannelKind, name: string): number;
  /** The names of a kind, those that match a pattern if there is one. */
  names(kind: ChannelKind, pattern?: string): Promise<string[]>;
}

/** How long scripts have run. */
export interface ScriptTime {
  usedMs: number;
}

/** Which replies a client wants; see CLIENT REPLY. */
export type ReplyMode = "on" | "off" | "skip";

/** The client's end of the connection. */
export interface ClientPeer {
  /** The number of the connection. */
  readonly id: number;
  readonly remote: string;
  /** Bytes received but not yet processed. */
  readonly unreadBytes: number;
  /** Whether the client is a monitor. */
  readonly monitoring: boolean;
  /** What it is subscribed to. */
  readonly channels: ClientChannels;
  /** Makes the client a monitor, or an ordinary client again. */
  monitor(on: boolean): void;
  /** Closes the connection immediately. */
  close(): void;
}

/** A client's transaction: the commands queued since MULTI, and the watched keys. */
export interface TransactionState {
  /** Whether the client is between MULTI and EXEC or DISCARD. */
  readonly open: boolean;
  /** The number of queued commands. */
  readonly length: number;
  /** The total size of the queued commands' arguments. */
  readonly bytes: number;
  /** MULTI. */
  begin(): void;
  /** Makes EXEC fail, because a command could not be queued. */
  spoil(): void;
  /** DISCARD: drops the queue and the watched keys. */
  reset(): void;
  /** WATCH: remembers the current versions of keys. */
  watch(places: readonly Place[], store: Store): MaybePromise<Reply>;
  /** UNWATCH: forgets all watched keys. */
  unwatch(): void;
  /** EXEC: runs the queue. */
  execute(client: ClientState): MaybePromise<Reply>;
}

/** The state of one Redis client. */
export interface ClientState extends CommandContext {
  readonly server: ServerState;
  readonly peer: ClientPeer;
  readonly transaction: TransactionState;
  /** Checks the client's token; `undefined` if the service requires none. */
  readonly login: Login | undefined;
  readonly connectedMs: number;
  readonly lastActiveMs: number;
  readonly lastCommand: string;
  db: number;
  /** Whether the client has shown a token, or the service requires none. */
  authenticated: boolean;
  /** The version of the Redis protocol. */
  protocol: 2 | 3;
  name: string;
  libName: string;
  libVersion: string;
  replyMode: ReplyMode;
  /** The reply to all commands except the few that may be sent before a login; see TRACKING. */
  refusal: ErrorReply | undefined;
  /** CLIENT NO-EVICT and NO-TOUCH, which have no effect but are shown. */
  noEvict: boolean;
  noTouch: boolean;
  /** Whether to close the connection after the current reply. */
  closing: boolean;
}

/** What all connections of the service share. */
export interface ServerState {
  /** The store. The real one takes its place when it has loaded, so keep no reference to it. */
  readonly store: Store;
  /** Whether the store has not loaded yet. */
  readonly loading: boolean;
  readonly commands: Catalogue;
  readonly cursors: CursorTable;
  readonly limits: KvLimits;
  readonly metrics: CommandMetrics;
  readonly settings: ServerSettings;
  /** The turn of all connections together. */
  readonly turn: SharedTurn;
  readonly watch: CommandWatch;
  readonly channels: ServerChannels;
  /** The Redis clients by the number of their connection. */
  readonly clients: ReadonlyMap<number, ClientState>;
  /** The address the service listens on, for display. */
  readonly address: string;
  readonly startedMs: number;
  /** When the data on disk was last shortened for a client; the start of the service before that. */
  lastSaveMs: number;
  /** A random identifier of this run, 40 hexadecimal digits. */
  readonly runId: string;
  /** The number of connections accepted so far. */
  accepted(): number;
  /**
   * Shortens what is kept on disk, where that is possible. Resolves when it is done.
   *
   * @throws {StorageUnavailableError}
   */
  save(): Promise<void>;
}
