import type { NodeConnectionOptions } from "@nats-io/transport-node";
import { Batch } from "../../../lib/bus/batch.ts";
import { Bus } from "../../../lib/bus/bus.ts";
import { NatsLink } from "../../../lib/bus/link/nats_link.ts";
import { TestLog } from "../../support/log.ts";
import { until } from "../../support/within.ts";

/** How a {@linkcode LinkedDaemon} differs from the usual. */
export type LinkedDaemonOptions = NodeConnectionOptions & {
  timeoutMs?: number;
  events?: boolean;
  streamMaxBytes?: number;
};

/** A bus that is linked with others, as in a daemon. */
export class LinkedDaemon implements AsyncDisposable {
  readonly bus = new Bus();
  readonly log = new TestLog();
  readonly link: NatsLink;

  /** Begins to link a bus with the server on a port of this machine. */
  constructor(port: number, options: LinkedDaemonOptions = {}) {
    const { timeoutMs = 10_000, events = false, streamMaxBytes, ...to } = options;
    const connection = () => ({ servers: [`127.0.0.1:${port}`], ...to });
    let link: NatsLink | undefined;
    this.bus.connect((linked) =>
      link = new NatsLink(
        { timeoutMs, events, streamMaxBytes, connection, log: this.log.log },
        linked,
      )
    );
    this.link = link!;
  }

  /** Links a bus, and waits for the connection. */
  static async start(port: number, options: LinkedDaemonOptions = {}): Promise<LinkedDaemon> {
    const daemon = new LinkedDaemon(port, options);
    await daemon.connected();
    return daemon;
  }

  /** Waits until messages get through. */
  async connected(): Promise<void> {
    await until("the link is up", () => this.bus.problems().length === 0);
  }

  /** Waits until the server knows all subscriptions made so far. */
  async subscribed(): Promise<void> {
    await this.bus.publish(Batch.ofPayload("sync", new Uint8Array(0)));
  }

  metric(name: string): number {
    const metric = this.bus.metrics().find((metric) => metric.name === name);
    if (metric === undefined || metric.type === "histogram") throw new Error(`No ${name}`);
    return metric.samples[0]!.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link.close();
  }
}
