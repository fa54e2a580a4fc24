import type { Address } from "../net/address.ts";

/** The services whose protocols have commands. */
export const CLIENT_SERVICES = ["kv", "task", "mesh"] as const;

/** A service whose protocol has commands. */
export type ClientService = typeof CLIENT_SERVICES[number];

/** The commands of each service, in the case of its documentation. */
export const CLIENT_WORDS: Readonly<Record<ClientService, readonly string[]>> = {
  kv: `ACL APPEND ASKING AUTH BGREWRITEAOF BGSAVE BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS CAS
    CLIENT CLUSTER COMMAND CONFIG COPY COUNT DBSIZE DEBUG DECR DECRBY DEL DELETE DELETEIF DELIFEQ
    DISCARD ECHO EVAL EVALSHA EVALSHA_RO EVAL_RO EXEC EXISTS EXPIRE EXPIREAT EXPIRETIME FLUSHALL
    FLUSHDB FOLLOW FUNCTION GET GETBIT GETDEL GETEX GETRANGE GETSET HELLO HELP INCR INCRBY
    INCRBYFLOAT INCREX INFO KEYS LASTSAVE LATENCY LCS LIST MEMORY MGET MONITOR MOVE MSET MSETNX
    MULTI OBJECT PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PING PSETEX PSUBSCRIBE PTTL PUBLISH PUBSUB
    PUNSUBSCRIBE PUT PUTEX PUTNX QUIT RANDOMKEY READONLY READWRITE RENAME RENAMENX RESET ROLE SAVE
    SCAN SCRIPT SELECT SET SETBIT SETEX SETNX SETRANGE SLOWLOG SPUBLISH SSUBSCRIBE STRLEN SUBSCRIBE
    SUBSTR SUNSUBSCRIBE SWAPDB TIME TOUCH TTL TYPE UNLINK UNSUBSCRIBE UNWATCH WAIT WATCH`
    .split(/\s+/),
  task: `bury cancel delete done fail flush-tube ignore kick kick-job list-jobs list-tube-used
    list-tubes list-tubes-watched list-workers move pause-tube peek peek-buried peek-delayed
    peek-ready progress put put-batch put-job put-unique quiet-worker quit release release-held
    reserve reserve-batch reserve-job reserve-with-timeout result resume-worker stats stats-job
    stats-tube touch use wait watch`.split(/\s+/),
  mesh: ["CANCEL", "COUNT", "HELP", "HISTORY", "NODES", "QUIT", "RETRY", "SORT", "STATUS"],
};

/** The ports of the services in config.toml, and those of the servers they can replace. */
const SERVICE_OF_PORT: Readonly<Record<number, ClientService>> = {
  6379: "kv",
  8081: "kv",
  8083: "mesh",
  11300: "task",
};

/** The service at an address, if its port is the usual one of a service. */
export function usualService(address: Address): ClientService | undefined {
  return "port" in address ? SERVICE_OF_PORT[address.port] : undefined;
}

/**
 * Finds the commands that begin with what was typed, in any case. They are in lower case if it is.
 *
 * @param service The service that is typed to.
 * @param typed The beginning of a line.
 */
export function completions(service: ClientService, typed: string): string[] {
  const start = typed.toUpperCase();
  const isLower = typed !== "" && typed === typed.toLowerCase();
  return CLIENT_WORDS[service].filter((word) => word.toUpperCase().startsWith(start))
    .map((word) => isLower ? word.toLowerCase() : word);
}
