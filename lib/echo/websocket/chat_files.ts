import html from "./page/chat.html" with { type: "text" };
import css from "./page/chat.css" with { type: "text" };
import script from "./page/chat.js" with { type: "text" };

/** The files of the chat page. */
export const CHAT_FILES: readonly { path: string; type: string; text: string }[] = [
  { path: "/", type: "text/html", text: html },
  { path: "/chat.css", type: "text/css", text: css },
  { path: "/chat.js", type: "text/javascript", text: script },
];
