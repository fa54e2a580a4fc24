import { latin1From, valueBytes } from "../storage/value.ts";
import { lossReason } from "../net/connect.ts";
import { CommandError } from "./command.ts";
import { linesOf } from "./lines.ts";
import { loginError } from "./server_options.ts";
import { printError } from "./terminal.ts";
import { ConnectionLostError } from "../task/beanstalk/client.ts";
import type { StopSignals } from "./stop_signals.ts";
import type { WorkRunner } from "./work_runner.ts";

/**
 * Takes tasks from the push port, one line each, and answers each with one line. The protocol has no
 * word for a failure, so a task that fails is given up by closing the connection: the queue hands it
 * to another worker.
 *
 * @throws {ConnectionLostError} If the connection is lost or given up.
 */
export async function serveTasks(
  conn: Deno.Conn,
  { runner, signals: { stopping, ending }, token }: {
    runner: WorkRunner;
    signals: Pick<StopSignals, "stopping" | "ending">;
    token: string | undefined;
  },
): Promise<void> {
  let busy = false;
  let closed = false;
  const close = () => {
    if (!closed) conn.close();
    closed = true;
  };
  const stop = () => {
    if (!busy) close();
  };
  stopping.addEventListener("abort", stop);
  try {
    if (token !== undefined) await send(conn, `AUTH ${token}\n`);
    let login = token !== undefined;
    for await (const line of linesOf(conn)) {
      if (login) {
        const said = new TextDecoder().decode(line);
        if (said !== "OK") throw loginError(said);
        login = false;
        continue;
      }
      busy = true;
      const outcome = await runner({
        id: "",
        tube: "",
        attempt: 1,
        body: line,
        cancelled: ending,
      });
      // The queue hands the task to another worker.
      if (ending.aborted) return;
      if (!outcome.done) {
        const task = new TextDecoder().decode(line.subarray(0, 50));
        printError(`Task "${task}": ${outcome.reason.trimEnd()}`);
        throw new ConnectionLostError("Connection closed so that another worker gets the task");
      }
      // One character a byte, so that all bytes survive.
      const answer = latin1From(outcome.result).replace(/\r?\n$/, "");
      await send(conn, `${answer.replaceAll(/[\r\n]+/g, " ")}\n`);
      busy = false;
      if (stopping.aborted) return;
    }
    throw new ConnectionLostError("Connection lost: the server has closed it");
  } catch (error) {
    if (
      error instanceof ConnectionLostError || error instanceof CommandError ||
      !(error instanceof Error)
    ) throw error;
    if (stopping.aborted && closed) return;
    throw new ConnectionLostError(`Connection lost: ${lossReason(error)}`, { cause: error });
  } finally {
    stopping.removeEventListener("abort", stop);
    close();
  }
}

async function send(conn: Deno.Conn, text: string): Promise<void> {
  const bytes = valueBytes(text);
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}
