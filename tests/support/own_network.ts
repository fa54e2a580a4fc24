/**
 * Networks that a test has to itself, whose loopback has all ports free.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ROOT } from "./quartet.ts";

/** Set in the environment of a program that runs in a network of its own. */
const INSIDE_VARIABLE = "QUARTET_TEST_INSIDE";

/** Whether this process runs in a network of its own. */
export const IN_OWN_NETWORK: boolean = Deno.env.get(INSIDE_VARIABLE) !== undefined;

/** Options for {@linkcode testInOwnNetwork}. */
export interface OwnNetworkOptions {
  /** Shell commands that prepare the network. Its loopback is up. */
  setup?: string;
}

async function inOwnNetwork(
  command: readonly string[],
  { setup = "true" }: OwnNetworkOptions = {},
): Promise<{ success: boolean; text: string }> {
  const script = `ip link set lo up && ${setup} && exec "$@"`;
  const { success, stdout, stderr } = await new Deno.Command("unshare", {
    args: ["-rn", "sh", "-c", script, "sh", ...command],
    env: { NO_COLOR: "1", [INSIDE_VARIABLE]: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Whether this machine has namespaces and iproute2, and the network can be prepared so. */
export async function canUseOwnNetwork(options?: OwnNetworkOptions): Promise<boolean> {
  try {
    return (await inOwnNetwork(["true"], options)).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Runs a test file in a network of its own.
 *
 * @param file The URL of the file.
 * @param options See {@linkcode OwnNetworkOptions}.
 * @throws {AssertionError} With its output, if a test fails.
 */
export async function testInOwnNetwork(file: string, options?: OwnNetworkOptions): Promise<void> {
  const test = ["test", "-A", "--no-check", "--frozen", `--config=${ROOT}deno.json`];
  const command = [Deno.execPath(), ...test, new URL(file).pathname];
  const { success, text } = await inOwnNetwork(command, options);
  assert.ok(success, text);
}
