/**
 * Lists of nodes on the command line and in files.
 *
 * @module
 */

import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import { type Address, parseAddress } from "../../net/address.ts";
import { MAX_NODES } from "../sort/splitters.ts";

/**
 * Parses a list such as "host0:8083,host1:8083"; the first is node 0.
 *
 * @throws {SyntaxError} If it has another form.
 */
export function parseNodes(text: string): Address[] {
  return check(text.split(",").map((item) => parseAddress(item.trim())));
}

/**
 * Parses a file with a list of nodes: TOML with `nodes = ["host0:8083", …]`, at the top or in
 * `[mesh]`, or YAML with a list `servers` of `serverId`, `host` and `port`.
 *
 * @param path The path of the file, for its extension and for messages.
 * @throws {SyntaxError} If it has no list of nodes.
 */
export function parseNodesFile(path: string, text: string): Address[] {
  return /\.ya?ml$/i.test(path) ? parseServers(path, text) : parseNodesToml(path, text);
}

function parseNodesToml(path: string, text: string): Address[] {
  let nodes: unknown;
  try {
    const toml = parseToml(text);
    nodes = toml["nodes"] ?? (toml["mesh"] as Record<string, unknown> | undefined)?.["nodes"];
  } catch (error) {
    throw new SyntaxError(`Cannot read "${path}" as TOML: ${firstLine(error)}`);
  }
  if (!Array.isArray(nodes) || !nodes.every((node) => typeof node === "string")) {
    throw new SyntaxError(
      `Cannot read "${path}" as a list of nodes: expected nodes = ["host:port", …]`,
    );
  }
  return check(nodes.map(parseAddress));
}

function parseServers(path: string, text: string): Address[] {
  let servers: unknown;
  try {
    // Such lists need no aliases, and nested aliases could take all memory.
    servers = parseYaml(text, { maxAliasCount: 0 })?.servers;
  } catch (error) {
    throw new SyntaxError(`Cannot read "${path}" as YAML: ${firstLine(error)}`);
  }
  if (!Array.isArray(servers)) {
    throw new SyntaxError(
      `Cannot read "${path}" as a list of nodes: expected a list "servers" of serverId, host, port`,
    );
  }
  const addresses: Address[] = [];
  for (const server of servers) {
    const { serverId, host, port } = server ?? {};
    const id = Number(serverId);
    if (!Number.isInteger(id) || id < 0 || id >= servers.length || addresses[id]) {
      throw new SyntaxError(
        `Cannot read "${path}" as a list of nodes: serverId "${serverId}" is not one of ` +
          `0 to ${servers.length - 1}, each once`,
      );
    }
    const hostname = String(host).includes(":") ? `[${host}]` : String(host);
    addresses[id] = parseAddress(`${hostname}:${port}`);
  }
  return check(addresses);
}

function check(addresses: Address[]): Address[] {
  if (addresses.length > MAX_NODES) {
    throw new SyntaxError(`Cannot use ${addresses.length} nodes: the limit is ${MAX_NODES}`);
  }
  if (addresses.length === 0) throw new SyntaxError("Cannot use an empty list of nodes");
  return addresses;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
