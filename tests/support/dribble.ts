import { delay } from "@std/async/delay";
import type { TestClient } from "./client.ts";

/**
 * Sends a text over and over, a byte now and then, until the server has had enough.
 *
 * @returns What the server has said up to the end.
 */
export async function dribble(client: TestClient, text: string, everyMs = 10): Promise<string> {
  let over = false;
  const rest = client.rest().finally(() => over = true);
  for (let i = 0; !over && i < 10_000; i++) {
    // Whether it is still there is what `rest` tells.
    await client.send(text[i % text.length]!).catch(() => {});
    await delay(everyMs);
  }
  return await rest;
}
