/**
 * The rights that each command needs of a token with limited rights. A command that is not listed is
 * refused to such a token.
 *
 * @module
 */

/** How a command uses keys: "update" reads and writes them; the others are special. */
export type KeyNeed = "read" | "write" | "update" | "rename" | "copy" | "bitop" | "set";

/** What a command needs; "everything" stands for "read" and "write" of all keys. */
export type Need =
  | KeyNeed
  | "nothing"
  | "publish"
  | "subscribe"
  | "psubscribe"
  | "subscribe to all"
  | "read all"
  | "write all"
  | "everything";

/** The full names of commands by what they need. */
const COMMANDS_BY_NEED: Readonly<Record<Need, string>> = {
  // Scripts need a right for each command that they call.
  "nothing": "acl acl|cat acl|help acl|whoami asking auth client client|caching client|getname " +
    "client|getredir client|help client|id client|info client|no-evict client|no-touch " +
    "client|reply client|setinfo client|setname client|tracking client|trackinginfo cluster " +
    "cluster|addslots cluster|countkeysinslot cluster|forget cluster|getkeysinslot cluster|help " +
    "cluster|info cluster|keyslot cluster|links cluster|meet cluster|myid cluster|nodes " +
    "cluster|replicas cluster|reset cluster|setslot cluster|shards cluster|slaves cluster|slots " +
    "command command|count command|docs command|getkeys command|help command|info command|list " +
    "config config|help discard echo eval eval_ro evalsha evalsha_ro exec function function|help " +
    "hello lastsave latency latency|help memory memory|help multi object object|help ping pubsub " +
    "pubsub|help punsubscribe quit readonly readwrite reset role script script|exists script|help " +
    "script|load select slowlog slowlog|help sunsubscribe time unsubscribe unwatch wait",
  "read":
    "bitcount bitfield_ro bitpos exists expiretime get getbit getrange lcs memory|usage mget " +
    "object|encoding object|freq object|idletime object|refcount pexpiretime pttl strlen substr " +
    "touch ttl type watch",
  "write": "append del expire expireat mset msetnx persist pexpire pexpireat psetex setex setnx " +
    "setrange unlink",
  "update": "bitfield decr decrby delifeq getdel getex getset incr incrby incrbyfloat move setbit",
  "set": "set",
  "rename": "rename renamenx",
  "copy": "copy",
  "bitop": "bitop",
  "publish": "publish spublish",
  "subscribe": "ssubscribe subscribe",
  "psubscribe": "psubscribe",
  "subscribe to all": "pubsub|channels pubsub|numpat pubsub|numsub pubsub|shardchannels " +
    "pubsub|shardnumsub",
  "read all": "dbsize keys randomkey scan",
  "write all": "flushall flushdb swapdb",
  "everything":
    "acl|getuser acl|list acl|log acl|users bgrewriteaof bgsave client|kill client|list " +
    "client|pause client|unblock client|unpause config|get config|resetstat config|rewrite " +
    "config|set debug function|flush info latency|doctor latency|graph latency|histogram " +
    "latency|history latency|latest latency|reset memory|doctor memory|malloc-stats memory|purge " +
    "memory|stats monitor save script|debug script|flush script|kill slowlog|get slowlog|len " +
    "slowlog|reset",
};

/** What each command needs, by its full name, such as "get" or "config|set". */
export const NEEDS: ReadonlyMap<string, Need> = new Map(
  (Object.entries(COMMANDS_BY_NEED) as [Need, string][])
    .flatMap(([need, names]) => names.split(" ").map((name) => [name, need] as const)),
);
