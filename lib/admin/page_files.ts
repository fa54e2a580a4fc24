import html from "./page/index.html" with { type: "text" };
import css from "./page/generated/page.css" with { type: "text" };
import script from "./page/generated/page.js" with { type: "text" };

/** The files of the page. `deno task page` builds those in `generated/`. */
export const PAGE_FILES: readonly { path: string; type: string; text: string }[] = [
  { path: "/", type: "text/html", text: html },
  { path: "/page.css", type: "text/css", text: css },
  { path: "/page.js", type: "text/javascript", text: script },
];
