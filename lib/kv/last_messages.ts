import { delay } from "@std/async/delay";
import type { Reader } from "../bus/reader.ts";
import type { Readers } from "../bus/readers.ts";

/** How long a client that has ended its input may take to read its remaining messages. */
const FLUSH_MAX_MS = 10_000;

/** Waits until a client that receives nothing new has got its last messages, and forgets it. */
export async function sendLastMessages(readers: Readers, reader: Reader): Promise<void> {
  readers.leave(reader);
  const limit = new AbortController();
  const tooLate = delay(FLUSH_MAX_MS, { signal: limit.signal }).catch(() => {});
  await Promise.race([reader.outbox.flushed(), tooLate]);
  limit.abort();
  readers.gone(reader);
}
