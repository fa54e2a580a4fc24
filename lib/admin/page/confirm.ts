/// <reference lib="dom" />
import { byId, setText } from "./dom.ts";

/** A question whose answer is yes or no. */
export interface Question {
  title: string;
  text: string;
  /** The labels of the buttons. */
  yes: string;
  no: string;
}

/** Asks the user to confirm something. The default answer is no. */
export async function confirmed(question: Question): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>("confirm");
  setText(byId("confirm-title"), question.title);
  setText(byId("confirm-text"), question.text);
  setText(byId("confirm-yes"), question.yes);
  setText(byId("confirm-no"), question.no);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}
