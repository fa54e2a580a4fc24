import type { DaemonJson } from "../../admin/page/daemon_json.ts";
import { Interval } from "../../admin/page/interval.ts";
import type { ClientsJson } from "../../net/client_list.ts";
import { AdminClient } from "../admin_client.ts";
import type { AdminTarget } from "../admin_target.ts";
import type { Snapshot } from "./panels.ts";

/** Reads the state of a daemon again and again, through its admin service. */
export class DaemonReader {
  readonly #client: AdminClient;
  #last: DaemonJson | undefined;

  /**
   * @param target The admin service.
   * @param token Its token, if it has one.
   */
  constructor(target: AdminTarget, token: string | undefined) {
    this.#client = new AdminClient(target, token);
  }

  /** Where the daemon is. */
  get address(): string {
    return this.#client.address;
  }

  /**
   * Reads everything but the clients.
   *
   * @throws {CommandError} If the daemon does not answer.
   */
  async read(): Promise<Snapshot> {
    const last = this.#last;
    const path = `/state?log=${last?.log.position ?? Number.MAX_SAFE_INTEGER}`;
    const daemon = await this.#client.ask<DaemonJson>("GET", path);
    this.#last = daemon;
    const isSame = last !== undefined && last.startedMs === daemon.startedMs;
    return { daemon, interval: isSame ? new Interval(last, daemon) : undefined };
  }

  /**
   * Lists the clients of a service.
   *
   * @throws {CommandError} If the daemon does not answer, or does not show its clients to this user.
   */
  clients(service: string, fields: Record<string, unknown>): Promise<ClientsJson> {
    const path = `/services/${encodeURIComponent(service)}/queries/clients`;
    return this.#client.ask<ClientsJson>("POST", path, JSON.stringify(fields));
  }
}
