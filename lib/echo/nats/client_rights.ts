import type { Login } from "../../net/login.ts";
import type { Rights } from "../../rights.ts";

/** How long a client may answer a request that it has received, as with nats-server. */
const REPLY_TIME_MS = 120_000;

/** How many requests a client may leave unanswered; beyond that, it may not answer the oldest. */
const OPEN_REPLIES_MAX = 10_000;

/**
 * What one client may publish and subscribe to, if its token has limited rights. It may also publish
 * to the reply subject of a message that it has received: a service need not know the inboxes of all
 * its users.
 */
export class ClientRights {
  readonly #login: Login;
  /** The reply subjects of received messages, the oldest first, and until when they may be used. */
  readonly #replies = new Map<string, number>();

  constructor(login: Login) {
    this.#login = login;
  }

  /** Notes that a message with a reply subject was received. */
  received(reply: string): void {
    // Set anew, so that the map is in the order of time.
    this.#replies.delete(reply);
    this.#replies.set(reply, performance.now() + REPLY_TIME_MS);
    if (this.#replies.size > OPEN_REPLIES_MAX) {
      this.#replies.delete(this.#replies.keys().next().value!);
    }
  }

  /** Whether the client has the right to publish on a subject, at any time. */
  mayPublish(subject: string): boolean {
    return this.#rights?.allows("publish", subject) ?? true;
  }

  /** Whether the client may answer on a subject, at this moment. */
  mayAnswer(subject: string): boolean {
    const untilMs = this.#replies.get(subject);
    return untilMs !== undefined && performance.now() < untilMs;
  }

  /**
   * Whether the client may name a reply subject: one that it may use itself, so that nobody can make
   * a service publish for him.
   */
  mayName(reply: string): boolean {
    const rights = this.#rights;
    return rights === null || rights.allows("subscribe", reply) ||
      rights.allows("publish", reply) ||
      this.mayAnswer(reply);
  }

  /** Whether the client may subscribe to a valid pattern. */
  maySubscribe(pattern: string): boolean {
    return this.#rights?.allowsAll("subscribe", pattern) ?? true;
  }

  /**
   * Notes a refusal.
   *
   * @returns What the client is told, in the words of nats-server.
   */
  refuse(action: "publish" | "subscribe", subject: string, group?: string): string {
    this.#login.refuse(action, subject);
    if (action === "publish") return publishViolation(subject);
    const queue = group === undefined ? "" : ` using queue "${group}"`;
    return `Permissions Violation for Subscription to "${subject}"${queue}`;
  }

  /** As {@linkcode refuse}, for a message with a reply subject that the client must not name. */
  refuseReply(reply: string): string {
    this.#login.refuse("subscribe", reply);
    return `Permissions Violation for Publish with Reply of "${reply}"`;
  }

  get #rights(): Rights | null {
    return this.#login.rights;
  }
}

/** What a client is told that must not publish on a subject. */
export function publishViolation(subject: string): string {
  return `Permissions Violation for Publish to "${subject}"`;
}
