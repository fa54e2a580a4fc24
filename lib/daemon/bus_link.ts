import type { Bus } from "../bus/bus.ts";
import { NatsLink } from "../bus/link/nats_link.ts";
import type { BusConfig } from "../config/bus.ts";
import { fileErrorReason } from "../file_error.ts";
import type { Log } from "../log.ts";

/**
 * Connects the bus of a daemon with those of others, if the configuration says so. The connection is
 * made in the background, and made again whenever it is lost.
 *
 * @param bus The bus.
 * @param config The section `[bus]`.
 * @param log The log of the bus.
 * @returns The link; `undefined` if there is none.
 * @throws {Error} If a certificate cannot be read; the message names the file.
 */
export function linkBus(bus: Bus, config: BusConfig, log: Log): NatsLink | undefined {
  if (config.servers.length === 0) return undefined;
  const { servers, token, user, password } = config;
  const connection = () => ({
    servers: [...servers],
    ...(token === undefined ? {} : { token }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(config.tls === undefined ? {} : { tls: readTls(config.tls) }),
  });
  // A mistake in the configuration shows at once.
  connection();
  let link: NatsLink | undefined;
  const { timeoutMs, events, streamMaxBytes } = config;
  const options = { connection, timeoutMs, events, streamMaxBytes, log };
  bus.connect((linked) => link = new NatsLink(options, linked));
  return link;
}

/** Reads the certificates, again for each connection, so that they can be renewed. */
function readTls(files: NonNullable<BusConfig["tls"]>): Record<string, string> {
  const tls: Record<string, string> = {};
  for (const [name, file] of Object.entries(files)) {
    if (file !== undefined) tls[name] = readPem(file);
  }
  return tls;
}

function readPem(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (cause) {
    throw new Error(`Cannot read "${file}" for [bus] tls: ${fileErrorReason(cause)}`, { cause });
  }
}
