import { withOthersOff } from "../../tests/support/daemon.ts";
import {
  denoRun,
  isInstalled,
  quartetServe,
  ROOT,
  type ServerCommand,
} from "../support/servers.ts";

/** The reply of quartet and of the pipeline server to each line. */
export const REPLY = "Message received.";

/** quartet with echo alone, in one of its modes, with more settings from the command line. */
export function quartet(mode: "broadcast" | "confirm", ...settings: string[]): ServerCommand {
  return async (port, directory) => {
    const echo = `[echo]\nlisten = "127.0.0.1:${port}"\nmode = "${mode}"\nreply = "${REPLY}"\n`;
    const file = `${directory}/quartet.toml`;
    await Deno.writeTextFile(file, withOthersOff(echo));
    return quartetServe(file, settings.flatMap((setting) => ["--set", setting]));
  };
}

/** The server of web streams, with its options. */
export function pipeline(...options: string[]): ServerCommand {
  const file = `${ROOT}bench/echo/pipeline_server.ts`;
  return (port) => Promise.resolve(denoRun(["--allow-net", file, String(port), REPLY, ...options]));
}

/** nats-server with its defaults. */
export const nats: ServerCommand = (port) =>
  Promise.resolve({ command: "nats-server", args: ["-a", "127.0.0.1", "-p", String(port)] });

/** Whether nats-server is installed. */
export function hasNats(): Promise<boolean> {
  return isInstalled("nats-server");
}
