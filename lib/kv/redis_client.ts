/**
 * One client that speaks the Redis protocol.
 *
 * @module
 */

import type { PublisherMetrics } from "../bus/publisher.ts";
import type { Reader } from "../bus/reader.ts";
import type { Readers } from "../bus/readers.ts";
import type { Connection } from "../net/connection.ts";
import type { Login } from "../net/login.ts";
import type { ReadBuffer } from "../net/read_buffer.ts";
import type { ServiceContext } from "../service.ts";
import type { ClientPeer } from "./commands/context.ts";
import type { Channels } from "./pubsub/channels.ts";
import { SubscribedClient } from "./pubsub/client_channels.ts";
import { mayHearKeys } from "./rights.ts";
import { ClientOutput } from "./session/client_output.ts";
import { RespConnection } from "./session/connection.ts";
import { Session, type SessionServer } from "./session/session.ts";

/** What all connections share. */
export interface RedisServer extends SessionServer {
  readonly log: ServiceContext["log"];
  readonly admits: ServiceContext["admits"];
  /** The Redis clients by the number of their connection. */
  readonly clients: Map<number, Session>;
  readonly channels: Channels;
  /** What is on its way to subscribers. */
  readonly readers: Readers;
  /** What clients publish. */
  readonly published: PublisherMetrics;
}

/**
 * Serves a client until one side closes the connection.
 *
 * @param buffer What has been read so far.
 */
export async function serveRedisClient(
  connection: Connection,
  buffer: ReadBuffer,
  { server, login }: { server: RedisServer; login: Login | undefined },
): Promise<void> {
  const { id, remote, host } = connection;
  const output = new ClientOutput(connection, server.watch.monitors, () => {
    server.log.warn("Monitor disconnected: it does not read", { client: remote });
  });
  let reader: Reader | undefined;
  const channels = new SubscribedClient(server.channels, {
    reader: () => {
      if (reader === undefined) {
        reader = server.readers.join(output.readerConnection);
        output.share(reader.outbox);
      }
      return reader;
    },
    holdMessages: () => output.holdMessages(),
    protocol: () => session.protocol,
    hears: (service, subject) => {
      if (service !== "kv") return server.admits(service, subject, { host, login });
      const rights = login?.rights ?? null;
      return rights === null || mayHearKeys(rights, subject);
    },
    metrics: server.published,
  });
  const peer: ClientPeer = {
    id,
    remote,
    channels,
    get unreadBytes() {
      return buffer.end - buffer.start;
    },
    get monitoring() {
      return output.monitoring;
    },
    monitor: (on) => output.monitor(on),
    close: () => connection.close(),
  };
  const session = new Session(server, peer, login);
  server.clients.set(id, session);
  connection.client = session;
  try {
    await new RespConnection(output, buffer, session).serve();
    await channels.published();
    // When the daemon drains, other clients may still be publishing what this one must receive.
    if (channels.count > 0 && connection.inputCut) await server.channels.settled();
  } finally {
    output.monitor(false);
    server.clients.delete(id);
    await channels.leave();
    if (reader !== undefined) await server.readers.dismiss(reader);
  }
}
