import type { BeanstalkClient } from "../task/beanstalk/client.ts";
import { CommandError } from "./command.ts";

/** The token for the task service, if the environment has one. */
export function taskToken(): string | undefined {
  return Deno.env.get("QUARTET_TOKEN") || undefined;
}

/**
 * Shows the token of the environment, if there is one.
 *
 * @throws {CommandError} If it does not open the server.
 */
export async function showToken(client: BeanstalkClient): Promise<void> {
  const token = taskToken();
  if (token === undefined || await client.login(token)) return;
  client.close();
  throw new CommandError("Cannot log in: the server does not take the token in QUARTET_TOKEN");
}
