import assert from "node:assert/strict";
import { AskedFigure } from "../lib/asked_figure.ts";
import { until } from "./support/within.ts";

/** Where a pause of a busy machine makes a question twenty times as long. */
const PATIENCE_MS = 60_000;

/** A figure whose answers a test gives by hand. */
function byHand(maxAgeMs: number) {
  const questions: PromiseWithResolvers<number>[] = [];
  const errors: unknown[] = [];
  const figure = new AskedFigure<number>({
    ask: () => {
      questions.push(Promise.withResolvers());
      return questions.at(-1)!.promise;
    },
    maxAgeMs,
    onError: (error) => errors.push(error),
  });
  return { figure, questions, errors };
}

Deno.test("AskedFigure: nobody waits, and there is one question at a time", async () => {
  const { figure, questions } = byHand(0);
  for (let i = 0; i < 3; i++) assert.equal(figure.value, undefined);
  assert.equal(questions.length, 1);
  questions[0]!.resolve(7);
  await until("the answer is there", () => figure.value === 7);
  await until("it is asked again", () => figure.value === 7 && questions.length === 2, PATIENCE_MS);
  questions[1]!.resolve(8);
  await until("the new answer is there", () => figure.value === 8);
});

Deno.test("AskedFigure: an answer is good for a while", async () => {
  const { figure, questions } = byHand(60_000);
  assert.equal(figure.value, undefined);
  questions[0]!.resolve(7);
  await until("the answer is there", () => figure.value === 7);
  assert.equal(figure.value, 7);
  assert.equal(questions.length, 1);
});

Deno.test("AskedFigure: after an answer that took long, it rests for twenty times as long", async () => {
  const { figure, questions } = byHand(0);
  assert.equal(figure.value, undefined);
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 50));
  questions[0]!.resolve(7);
  await until("it is asked again", () => figure.value === 7 && questions.length === 2, PATIENCE_MS);
  assert.ok(performance.now() - startMs > 20 * 45);
});

Deno.test("AskedFigure: what cannot be found out is no figure, not an old one", async () => {
  const { figure, questions, errors } = byHand(0);
  assert.equal(figure.value, undefined);
  questions[0]!.resolve(7);
  await until("it is asked again", () => figure.value === 7 && questions.length === 2, PATIENCE_MS);
  questions[1]!.reject(new Error("gone"));
  await until("it is gone", () => figure.value === undefined, PATIENCE_MS);
  assert.deepEqual(errors.map(String), ["Error: gone"]);
});
