import assert from "node:assert/strict";
import { detectLanguage } from "../../lib/kv/language.ts";
import { latin1Bytes } from "./support.ts";

const WORDS = {
  isText: (word: string) => ["put", "get", "list"].includes(word),
  isRedis: (word: string) => ["get", "set", "ping"].includes(word),
};

function detect(text: string): string {
  const bytes = latin1Bytes(`..${text}..`);
  return detectLanguage(bytes, 2, bytes.length - 2, WORDS);
}

const CASES: [input: string, language: string][] = [
  ["", "unknown yet"],
  ["\r\n\r\n", "unknown yet"],
  ["*", "resp"],
  ["\r\n*1\r\n", "resp"],
  ["PING", "unknown yet"],
  ["PING\r\n", "resp"],
  ["\nping\n", "resp"],
  ["SET a b", "resp"],
  ["GET a", "text"],
  ["get a\r\n", "text"],
  ["PUT ", "text"],
  ["LIST\n", "text"],
  ["LIS", "unknown yet"],
  ["nonsense a", "text"],
  ["x".repeat(100) + " ", "text"],
  ["x".repeat(65537), "resp"],
  ["\x00" + "payload".repeat(9363), "resp"],
  ["POST / HTTP/1.1\r\n", "hang up"],
  ["Host: localhost\r\n", "hang up"],
];

for (const [input, language] of CASES) {
  Deno.test(`detectLanguage: ${JSON.stringify(input.slice(0, 20))} is ${language}`, () => {
    assert.equal(detect(input), language);
  });
}

Deno.test("detectLanguage does not change its decision when more bytes arrive", () => {
  for (const [input, language] of CASES) {
    for (let length = 0; length < Math.min(input.length, 200); length++) {
      const early = detect(input.slice(0, length));
      assert.ok(
        early === "unknown yet" || early === language,
        `${input.slice(0, length)}: ${early}`,
      );
    }
  }
});
