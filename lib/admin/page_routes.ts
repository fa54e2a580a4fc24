import type { Metric } from "../metrics.ts";
import type { DaemonView, ObservedService } from "../service.ts";
import type { Access } from "./access.ts";
import type { Consoles } from "./consoles.ts";
import { redirect } from "./login_routes.ts";
import { PAGE_FILES } from "./page_files.ts";
import type { Recorder } from "./recorder.ts";
import { json, jsonBody, RequestError, type Route } from "./routes.ts";
import { daemonJson } from "./state.ts";

/** Options for {@linkcode pageRoutes}. */
export interface PageRoutesOptions {
  daemon: DaemonView;
  /** The name of the service that serves the page. */
  self: string;
  access: Access;
  metrics: () => Metric[];
  consoles: Consoles;
  recorder: Recorder;
}

/** The longest range of the history, in seconds: a day. */
const MAX_RANGE_S = 24 * 60 * 60;

/** The page and its API: GET reads, POST changes something. */
export function pageRoutes(options: PageRoutesOptions): Route[] {
  const { daemon, self, access, metrics, consoles, recorder } = options;

  function running(name: string): ObservedService {
    const service = daemon.services().find((candidate) => candidate.name === name)?.running;
    if (service === undefined) throw new RequestError(404, `"${name}" is not running.`);
    return service;
  }

  return [
    ...PAGE_FILES.map(({ path, type, text }): Route => ({
      method: "GET",
      path: new RegExp(`^${RegExp.escape(path)}$`),
      open: true,
      answer: (_request, _groups, visitor) =>
        visitor === "stranger" && path === "/"
          ? redirect("/login")
          : { status: 200, type, body: text },
    })),
    {
      method: "GET",
      path: /^\/state$/,
      answer: (request, _groups, visitor) => {
        const logAfter = Number(request.query.get("log")) || 0;
        const readOnly = access.readOnly(request) ?? access.lacksRight(request, visitor, "act");
        const hasSession = visitor === "session";
        return json(
          daemonJson(daemon, { self, metrics: metrics(), readOnly, hasSession, logAfter }),
        );
      },
    },
    {
      method: "GET",
      path: /^\/history$/,
      answer: ({ query }) => {
        const rangeS = Number(query.get("range") ?? MAX_RANGE_S);
        if (!(rangeS > 0 && rangeS <= MAX_RANGE_S)) {
          throw new RequestError(400, `"range" must be 1 to ${MAX_RANGE_S} seconds.`);
        }
        return json(recorder.read(rangeS));
      },
    },
    {
      // By POST: the faults quote the file, which only users who may make changes may read.
      method: "POST",
      path: /^\/reload-preview$/,
      answer: () => json(daemon.previewReload()),
    },
    {
      method: "POST",
      path: /^\/services\/([^/]+)$/,
      answer: async (request, [name]) => {
        const { enabled } = jsonBody(request);
        if (typeof enabled !== "boolean") {
          throw new RequestError(400, '"enabled" must be true or false.');
        }
        if (name === self) {
          throw new RequestError(409, "This service serves the page, so it stays on.");
        }
        await asRequestError(daemon.setEnabled(name!, enabled));
        return json({ message: `${name} is ${enabled ? "on" : "off"} until the next reload.` });
      },
    },
    {
      method: "POST",
      path: /^\/services\/([^/]+)\/actions\/([^/]+)$/,
      answer: async (request, [name, action]) => {
        const { actions = {} } = running(name!);
        if (!Object.hasOwn(actions, action!)) {
          throw new RequestError(404, `${name} has no action "${action}".`);
        }
        return json({ message: await asRequestError(actions[action!]!(jsonBody(request))) });
      },
    },
    {
      // By POST: only users who may make changes may read what services contain.
      method: "POST",
      path: /^\/services\/([^/]+)\/queries\/([^/]+)$/,
      answer: async (request, [name, query]) => {
        const { queries = {} } = running(name!);
        if (!Object.hasOwn(queries, query!)) {
          throw new RequestError(404, `${name} has no query "${query}".`);
        }
        return json(await asRequestError(queries[query!]!(jsonBody(request))));
      },
    },
    {
      method: "GET",
      changes: true,
      path: /^\/consoles\/([^/]+)$/,
      answer: (request, [name]) => {
        const { console } = running(name!);
        if (console === undefined) throw new RequestError(404, `${name} has no console.`);
        return consoles.join(console, (end) => access.watch(request, end));
      },
    },
    {
      method: "POST",
      path: /^\/consoles\/([^/]+)$/,
      answer: async (request, [id]) => {
        await consoles.say(id!, jsonBody(request)["line"]);
        return json({});
      },
    },
  ];
}

/** Passes the error of a service or the daemon on to the client, with a fitting status. */
async function asRequestError<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new RequestError(error instanceof RangeError ? 400 : 409, error.message);
  }
}
