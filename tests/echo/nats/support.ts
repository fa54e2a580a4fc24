import { parseAddress } from "../../../lib/net/address.ts";
import { ClosedError, TestClient } from "../../support/client.ts";
import type { ServiceContext } from "../../../lib/service.ts";
import { startEcho } from "../support.ts";

/** Echo with a NATS port, inside the test's process. */
export async function startNats(
  config: Record<string, unknown> = {},
  context: Partial<ServiceContext> = {},
) {
  const echo = await startEcho({ nats: "127.0.0.1:0", ...config }, context);
  const [lines, nats] = echo.running.addresses;
  if (nats?.transport !== "tcp" || lines === undefined) throw new Error("There is no NATS port");
  return {
    ...echo,
    /** The address of the port for lines. */
    lines,
    port: nats.port,
    [Symbol.asyncDispose]: () => echo[Symbol.asyncDispose](),
  };
}

/** A client that sends bytes and shows what comes back. */
export class WireClient implements Disposable {
  readonly #client: TestClient;
  /** The INFO of the server. */
  readonly info: Record<string, unknown>;

  private constructor(client: TestClient, info: Record<string, unknown>) {
    this.#client = client;
    this.info = info;
  }

  /** Connects, and reads the INFO. */
  static async connect(port: number): Promise<WireClient> {
    return await WireClient.of(await TestClient.connect(parseAddress(`127.0.0.1:${port}`)));
  }

  /** Reads the INFO on an open connection. */
  static async of(client: TestClient): Promise<WireClient> {
    const line = await client.line();
    return new WireClient(client, JSON.parse(line.replace(/^INFO /, "")));
  }

  /** Sends bytes. A server that has closed the connection shows when it is read from. */
  async send(bytes: string | Uint8Array): Promise<void> {
    await this.#client.send(bytes).catch(() => {});
  }

  /** The next line, with its end. */
  line(): Promise<string> {
    return this.#client.line();
  }

  /** Everything up to the end of the connection. */
  rest(): Promise<string> {
    return this.#client.rest();
  }

  /**
   * Sends operations and a PING, and reads up to the answer to that, which is left out.
   *
   * @returns What came back; "…closed" at its end if the server closes the connection.
   */
  async ask(operations = ""): Promise<string> {
    let pongs = 1 + (operations.match(/^ping.*$/gim)?.length ?? 0);
    await this.send(`${operations}PING\r\n`);
    let answer = "";
    try {
      while (pongs > 0) {
        const line = await this.#client.line();
        if (line === "PONG\r\n") pongs--;
        if (pongs > 0) answer += line;
      }
    } catch (error) {
      const closed = error instanceof ClosedError || error instanceof Deno.errors.ConnectionReset;
      if (!closed) throw error;
      answer += "…closed";
    }
    return answer;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
