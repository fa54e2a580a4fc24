import type { Access } from "./access.ts";
import type { HttpReply, HttpRequest } from "./http_server.ts";
import html from "./page/login.html" with { type: "text" };
import type { Route } from "./routes.ts";

const FAILURES = {
  wrong: { status: 403, text: "This token opens nothing here." },
  blocked: { status: 429, text: "There were too many wrong tokens. Come back later." },
};

/** How a browser shows a token once and is known from then on. It works without JavaScript. */
export function loginRoutes(access: Access): Route[] {
  return [
    { method: "GET", path: /^\/login$/, open: true, answer: () => loginPage(200, "") },
    {
      method: "POST",
      path: /^\/login$/,
      open: true,
      answer: (request) => {
        const token = new URLSearchParams(request.body).get("token") ?? "";
        const result = access.login(token, request);
        if (typeof result === "object") return redirect("/", result.cookie);
        const { status, text } = FAILURES[result];
        return loginPage(status, text);
      },
    },
    {
      method: "POST",
      path: /^\/logout$/,
      answer: (request: HttpRequest) => redirect("/login", access.logout(request)),
    },
  ];
}

/** Sends a browser to another page. */
export function redirect(path: string, cookie?: string): HttpReply {
  const headers = { location: path, ...(cookie === undefined ? {} : { "set-cookie": cookie }) };
  return { status: 303, type: "text/plain", headers, body: "" };
}

function loginPage(status: number, problem: string): HttpReply {
  return { status, type: "text/html", body: html.replace("{problem}", problem) };
}
