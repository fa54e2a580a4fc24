import type { ClientJson } from "../../net/client_list.ts";

/** A client, and its traffic since the last list. */
export interface RatedClient extends ClientJson {
  /** Bytes per second; `null` if it was not on the last list. */
  receivedRate: number | null;
  sentRate: number | null;
}

/** Computes rates from one list of clients to the next. */
export class ClientRates {
  #before = new Map<number, ClientJson>();

  /** Takes a list. Each client's own age tells how long ago the last one was. */
  rate(clients: readonly ClientJson[]): RatedClient[] {
    const before = this.#before;
    this.#before = new Map(clients.map((client) => [client.id, client]));
    return clients.map((client) => {
      const last = before.get(client.id);
      const seconds = last === undefined ? 0 : (client.ageMs - last.ageMs) / 1000;
      if (last === undefined || seconds <= 0) {
        return { ...client, receivedRate: null, sentRate: null };
      }
      return {
        ...client,
        receivedRate: Math.max(0, client.receivedBytes - last.receivedBytes) / seconds,
        sentRate: Math.max(0, client.sentBytes - last.sentBytes) / seconds,
      };
    });
  }

  /** Forgets the last list, because the next one is of another service. */
  reset(): void {
    this.#before.clear();
  }
}
