import type { Connection } from "../../net/connection.ts";
import type { ListenerOptions } from "../../net/listener.ts";
import type { LineFramerOptions } from "../../net/line_framer.ts";
import { beginLogin } from "../../net/login.ts";
import { CLOSE_CODE } from "../../net/websocket/protocol.ts";
import type { ServiceContext } from "../../service.ts";
import type { Clients } from "../clients.ts";
import type { EchoConfig } from "../config.ts";
import type { LineOptions } from "../lines/broadcast.ts";
import type { NatsServer } from "../nats/server.ts";
import { frameOutput } from "./frame_output.ts";
import { type WebSocketRoute, WebSocketServer } from "./server.ts";

/** What the WebSocket port needs of the rest of echo. */
export interface WebSocketDoorOptions {
  clients: Clients;
  context: Pick<ServiceContext, "guard" | "log" | "refusals">;
  limits: Omit<ListenerOptions, "fullReply" | "handle">;
  /** See `OriginOptions`; they may change. */
  origins: () => readonly string[];
  /** The limits of lines; they may change. */
  lines: LineFramerOptions;
  /** Serves a client that speaks lines. */
  serveLines: (
    connection: Connection,
    options: LineOptions & { subject: string },
  ) => Promise<void>;
  /** Serves clients that speak NATS. */
  nats: NatsServer;
}

/**
 * Opens the WebSocket port, if the configuration has one: at `/` each message is a line, at `/nats`
 * clients speak the NATS protocol.
 *
 * @throws {Error} If the address cannot be bound or the TLS files cannot be used.
 */
export async function openWebSockets(
  config: EchoConfig,
  options: WebSocketDoorOptions,
): Promise<WebSocketServer | undefined> {
  if (config.websocket === undefined) return undefined;
  const { context, limits, nats, origins } = options;
  const server: WebSocketServer = await WebSocketServer.listen(config.websocket, {
    limits,
    pingMs: config.ping_interval,
    origins,
    login: context,
    routes: {
      "/": lineRoute(config, options),
      "/nats": {
        form: "bytes",
        // A message is any part of the stream. The protocol has limits of its own.
        maxMessageBytes: Number.MAX_SAFE_INTEGER,
        serve: async (socket, { login, web }) => {
          await nats.serve(socket.connection, { address: server.address, web, login });
        },
      },
    },
  });
  return server;
}

function lineRoute(
  config: EchoConfig,
  { clients, context, lines, serveLines }: WebSocketDoorOptions,
): WebSocketRoute {
  return {
    form: "lines",
    get maxMessageBytes() {
      return lines.maxLineBytes;
    },
    serve: async (socket, client) => {
      const { connection } = socket;
      using login = client.login === undefined ? beginLogin(connection, context) : undefined;
      await serveLines(connection, {
        subject: config.subject,
        login: client.login ?? login,
        output: frameOutput(socket),
      });
      if (socket.ending?.code === CLOSE_CODE.TOO_BIG) clients.countLongLine();
    },
  };
}
