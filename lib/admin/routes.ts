import type { Access, Visitor } from "./access.ts";
import type { HttpReply, HttpRequest } from "./http_server.ts";

/** What answers one method of one path. */
export interface Route {
  method: "GET" | "POST";
  /** The whole path; its groups are passed on. */
  path: RegExp;
  /** Whether it changes anything, or connects to what others see. @default {method === "POST"} */
  changes?: boolean;
  /** Whether strangers get an answer too, where there is a token. @default {false} */
  open?: boolean;
  answer(
    request: HttpRequest,
    groups: string[],
    visitor: Visitor,
  ): HttpReply | Promise<HttpReply>;
}

/** A request that cannot be answered as it is; the message is for whoever sent it. */
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
 * Finds the route of a request and has it answered, if its sender may have that.
 *
 * @param access Decides that.
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
    if (there.length === 0) throw new RequestError(404, `There is no "${request.path}".`);
    const route = there.find((candidate) => candidate.method === method);
    if (route === undefined) {
      const allow = there.map((candidate) => candidate.method).join(", ");
      return { ...json({ error: `"${request.path}" takes ${allow}.` }, 405), headers: { allow } };
    }
    const judged = access.visitor(request);
    if (judged === "blocked" && !route.open) {
      throw new RequestError(429, "There were too many wrong tokens. Come back later.");
    }
    // Somebody else's wrong tokens must not let a probe take this daemon for dead.
    const visitor = judged === "blocked" ? "stranger" : judged;
    if (visitor === "stranger" && !route.open) {
      const headers = { "www-authenticate": "Bearer" };
      return { ...json({ error: "A token is needed." }, 401), headers };
    }
    if (route.changes ?? method === "POST") {
      const refusal = access.refuseChange(request, visitor);
      if (refusal !== undefined) throw new RequestError(403, refusal);
    }
    const groups = route.path.exec(request.path)!.slice(1).map(decode);
    return await route.answer(request, groups, visitor);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return json({ error: error.message }, error.status);
  }
}

/**
 * The object that the body of a request is.
 *
 * @throws {RequestError} If it is none.
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
  throw new RequestError(400, "The body has to be an object in JSON.");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new RequestError(400, `Cannot read "${text}" as a part of a path.`);
  }
}
