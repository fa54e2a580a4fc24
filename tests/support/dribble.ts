import { delay } from "@std/async/delay";
import type { TestClient } from "./client.ts";

/**
 * Sends a text again and again, one byte at a time, until the server closes the connection.
 *
 * @param everyMs The pause after each byte.
 * @returns Everything that the server has sent.
 */
export async function dribble(client: TestClient, text: string, everyMs = 10): Promise<string> {
  let over = false;
  const rest = client.rest().finally(() => over = true);
  for (let i = 0; !over && i < 10_000; i++) {
    // If the connection is closed, `rest` resolves.
    await client.send(text[i % text.length]!).catch(() => {});
    await delay(everyMs);
  }
  return await rest;
}
