import type { Access } from "./access.ts";
import type { HttpReply, HttpRequest } from "../net/http/messages.ts";
import html from "./page/login.html" with { type: "text" };
import type { Route } from "./routes.ts";

/** Replies to a token that was not accepted. */
const FAILURES = {
  wrong: { status: 403, text: "This token is not valid here." },
  blocked: { status: 429, text: "Too many wrong tokens. Try again later." },
};

/** The login form, which exchanges a token for a session cookie. It works without JavaScript. */
export function loginRoutes(access: Access): Route[] {
  return [
    { method: "GET", path: /^\/login$/, open: true, answer: () => loginPage(200, "") },
    {
      method: "POST",
      path: /^\/login$/,
      open: true,
      answer: async (request) => {
        const token = new URLSearchParams(request.body).get("token") ?? "";
        const result = await access.login(token, request);
        if (typeof result === "object") return redirect("/", result.cookie);
        const { status, text } = FAILURES[result];
        return loginPage(status, text);
      },
    },
    {
      method: "POST",
      path: /^\/logout$/,
      right: "look",
      answer: (request: HttpRequest) => redirect("/login", access.logout(request)),
    },
  ];
}

/** A reply that sends the browser to another page, with a cookie if given. */
export function redirect(path: string, cookie?: string): HttpReply {
  const headers = { location: path, ...(cookie === undefined ? {} : { "set-cookie": cookie }) };
  return { status: 303, type: "text/plain", headers, body: "" };
}

function loginPage(status: number, problem: string): HttpReply {
  return { status, type: "text/html", body: html.replace("{problem}", problem) };
}
