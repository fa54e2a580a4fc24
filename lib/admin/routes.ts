import type { Access, Visitor } from "./access.ts";
import type { AdminRight } from "./rights.ts";
import type { HttpReply, HttpRequest } from "../net/http/messages.ts";

/** The handler of one method and path. */
export interface Route {
  method: "GET" | "POST";
  /** Matches the whole path; its groups are passed to {@linkcode answer}. */
  path: RegExp;
  /** Whether it changes anything, or joins a conversation. @default {method === "POST"} */
  changes?: boolean;
  /** Whether it is open to clients without the token. @default {false} */
  open?: boolean;
  /** What a token with limited rights must allow. @default {"act" if it changes anything} */
  right?: AdminRight;
  answer(
    request: HttpRequest,
    groups: string[],
    visitor: Visitor,
  ): HttpReply | Promise<HttpReply>;
}

/** A request that is refused; the message goes to the client. */
export class RequestError extends Error {
  override name = "RequestError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A reply in JSON. */
export function json(value: unknown, status = 200): HttpReply {
  return { status, type: "application/json", body: `${JSON.stringify(value)}\n` };
}

/**
 * Finds the route of a request and answers it.
 *
 * @param access Decides whether the sender may do so.
 */
export async function answer(
  routes: readonly Route[],
  request: HttpRequest,
  access: Access,
): Promise<HttpReply> {
  const method = request.method === "HEAD" ? "GET" : request.method;
  try {
    const refusal = access.refuseHost(request);
    if (refusal !== undefined) throw new RequestError(421, refusal);
    const there = routes.filter(({ path }) => path.test(request.path));
    if (there.length === 0) throw new RequestError(404, `Not found: "${request.path}".`);
    const route = there.find((candidate) => candidate.method === method);
    if (route === undefined) {
      const allow = there.map((candidate) => candidate.method).join(", ");
      return {
        ...json({ error: `"${request.path}" allows only ${allow}.` }, 405),
        headers: { allow },
      };
    }
    const judged = await access.visitor(request);
    if (judged === "blocked" && !route.open) {
      throw new RequestError(429, "Too many wrong tokens. Try again later.");
    }
    // Wrong tokens from the same address must not make a health probe take this daemon for dead.
    const visitor = judged === "blocked" ? "stranger" : judged;
    if (visitor === "stranger" && !route.open) {
      const headers = { "www-authenticate": "Bearer" };
      return { ...json({ error: "A token is required." }, 401), headers };
    }
    const changes = route.changes ?? method === "POST";
    if (changes) {
      const refusal = access.refuseChange(request, visitor);
      if (refusal !== undefined) throw new RequestError(403, refusal);
    }
    const right = route.right ?? (changes ? "act" : "look");
    const lack = route.open ? undefined : access.lacksRight(request, visitor, right);
    if (lack !== undefined) {
      access.noteRefusal(request, right);
      throw new RequestError(403, lack);
    }
    const groups = route.path.exec(request.path)!.slice(1).map(decode);
    return await route.answer(request, groups, visitor);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return json({ error: error.message }, error.status);
  }
}

/**
 * Parses the body of a request as a JSON object.
 *
 * @throws {RequestError} If it is anything else.
 */
export function jsonBody(request: HttpRequest): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(request.body);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new RequestError(400, "The body must be a JSON object.");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new RequestError(400, `Cannot decode "${text}" in the path.`);
  }
}
