/**
 * INFO: the server's metrics as text, in sections.
 *
 * @module
 */

import process from "node:process";
import { StorageUnavailableError } from "../../storage/store.ts";
import { type Reply, Verbatim } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { DATABASES } from "./arguments.ts";
import { REDIS_VERSION } from "./connection.ts";
import type { ClientState } from "./context.ts";

type Fields = Record<string, string | number>;

const SECTIONS: Readonly<Record<string, (client: ClientState) => Fields | Promise<Fields>>> = {
  server,
  clients,
  memory,
  persistence: ({ server }) => ({ loading: server.loading ? 1 : 0 }),
  stats,
  replication: () => ({ role: "master", connected_slaves: 0, master_repl_offset: 0 }),
  cpu,
  commandstats,
  errorstats,
  cluster: () => ({ cluster_enabled: 0 }),
  keyspace,
};

/** The sections of INFO without arguments. */
const DEFAULT_SECTIONS = Object.keys(SECTIONS).filter((name) => name !== "commandstats");

/** Runs INFO. */
export async function info(request: Request, client: ClientState): Promise<Reply> {
  const wanted = new Set<string>();
  for (let at = 1; at < request.count; at++) {
    const name = request.option(at).toLowerCase();
    if (name === "all" || name === "everything") {
      for (const section of Object.keys(SECTIONS)) wanted.add(section);
    } else if (name === "default") {
      for (const section of DEFAULT_SECTIONS) wanted.add(section);
    } else {
      wanted.add(name);
    }
  }
  if (request.count === 1) { for (const section of DEFAULT_SECTIONS) wanted.add(section); }
  const texts: string[] = [];
  for (const [name, section] of Object.entries(SECTIONS)) {
    if (!wanted.has(name)) continue;
    let text = `# ${name[0]!.toUpperCase()}${name.slice(1)}\r\n`;
    for (const [field, value] of Object.entries(await section(client))) {
      text += `${field}:${value}\r\n`;
    }
    texts.push(text);
  }
  return new Verbatim(texts.join("\r\n"));
}

function server({ server }: ClientState): Fields {
  const uptimeS = Math.floor((Date.now() - server.startedMs) / 1000);
  return {
    redis_version: REDIS_VERSION,
    server_name: "quartet",
    redis_mode: "standalone",
    os: Deno.build.os,
    arch_bits: 64,
    process_id: Deno.pid,
    run_id: server.runId,
    tcp_port: server.address.split(":").at(-1) ?? "",
    server_time_usec: Date.now() * 1000,
    uptime_in_seconds: uptimeS,
    uptime_in_days: Math.floor(uptimeS / 86_400),
  };
}

function clients({ server }: ClientState): Fields {
  return {
    connected_clients: server.clients.size,
    maxclients: server.limits.maxClients,
    blocked_clients: 0,
  };
}

function memory({ server }: ClientState): Fields {
  const { bytes, maxBytes } = server.store.metrics();
  const policy = server.settings.get("maxmemory-policy");
  const { rss, heapUsed } = Deno.memoryUsage();
  return {
    used_memory: heapUsed,
    used_memory_rss: rss,
    used_memory_dataset: bytes ?? 0,
    maxmemory: maxBytes === Number.MAX_SAFE_INTEGER ? 0 : maxBytes,
    maxmemory_policy: policy,
  };
}

function stats({ server }: ClientState): Fields {
  return {
    total_connections_received: server.accepted(),
    total_commands_processed: server.metrics.calls.reduce((sum, calls) => sum + calls, 0),
    total_error_replies: server.metrics.errors.values().reduce((sum, count) => sum + count, 0),
    rejected_requests: server.metrics.rejected,
    evicted_keys: server.store.metrics().evicted ?? 0,
  };
}

function cpu(): Fields {
  const { user, system } = process.cpuUsage();
  return {
    used_cpu_sys: (system / 1e6).toFixed(6),
    used_cpu_user: (user / 1e6).toFixed(6),
  };
}

function commandstats({ server }: ClientState): Fields {
  const fields: Fields = {};
  for (const { fullName, index } of server.commands.all) {
    const calls = server.metrics.calls[index]!;
    if (calls > 0) fields[`cmdstat_${fullName}`] = `calls=${calls},rejected_calls=0,failed_calls=0`;
  }
  return fields;
}

function errorstats({ server }: ClientState): Fields {
  const fields: Fields = {};
  for (const [code, count] of server.metrics.errors) fields[`errorstat_${code}`] = `count=${count}`;
  return fields;
}

async function keyspace({ server }: ClientState): Promise<Fields> {
  try {
    return await server.store.transactSpaces(async (tx) => {
      const fields: Fields = {};
      for (let db = 0; db < DATABASES; db++) {
        const { keys, expiring, averageTtlMs } = await tx.count(db);
        if (keys === 0) continue;
        fields[`db${db}`] = `keys=${keys},expires=${expiring},avg_ttl=${Math.round(averageTtlMs)}`;
      }
      return fields;
    }, { readOnly: true });
  } catch (error) {
    // Clients use INFO to check that the server is up, so return the other sections.
    if (error instanceof StorageUnavailableError) return {};
    throw error;
  }
}
