import type { Bus } from "../bus/bus.ts";
import { PublisherMetrics } from "../bus/publisher.ts";
import { Readers } from "../bus/readers.ts";
import type { Log } from "../log.ts";
import type { EchoConfig } from "./config.ts";
import type { EchoMetrics } from "./metrics.ts";

/** What the clients of echo share, over all protocols. */
export class Clients {
  readonly bus: Bus;
  /** What is on its way to them. */
  readonly readers: Readers;
  /** What they publish. */
  readonly published = new PublisherMetrics();
  #longLines = 0;

  constructor(config: EchoConfig, options: { bus: Bus; log: Log }) {
    this.bus = options.bus;
    this.readers = new Readers(config, options.log);
  }

  /** Counts a line or message that was too long. */
  countLongLine(): void {
    this.#longLines++;
  }

  /** What has been counted so far. */
  metrics(): EchoMetrics {
    const { messages } = this.published;
    return { ...this.readers.metrics(), messages, longLines: this.#longLines };
  }
}
