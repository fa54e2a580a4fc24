import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { startServer } from "../support.ts";

const TOKEN = "t".repeat(1024);

function guarded() {
  const guard = new Guard([TOKEN], new FailureCounter(2, 60_000, 60_000));
  return startServer({ guard: () => guard });
}

Deno.test("beanstalk server: accepts the right token, and commands in the same packet after it", async () => {
  await using server = await guarded();
  const client = await server.client();
  await client.ask(`auth ${TOKEN}\r\nuse a\r\n`, "AUTHENTICATED\r\nUSING a\r\n");
  const slow = await server.client();
  for (const piece of ["au", `th ${TOKEN.slice(9)}`, TOKEN.slice(0, 9), "\r"]) {
    await slow.send(piece);
  }
  await slow.ask("\nuse b\r\n", "AUTHENTICATED\r\nUSING b\r\n");
});

Deno.test("beanstalk server: runs no command without the right token", async () => {
  await using server = await guarded();
  for (
    const [line, reply] of [
      ["put 0 0 1 1\r\nx\r\n", "TOKEN_EXPECTED\r\n"],
      ["z".repeat(5000), "TOKEN_EXPECTED\r\n"],
      ["auth wrong\r\nput 0 0 1 1\r\nx\r\n", "WRONG_TOKEN\r\n"],
      ["auth wrong\r\n", "WRONG_TOKEN\r\n"],
      [`auth ${TOKEN}\r\n`, "TOO_MANY_FAILURES\r\n"],
    ] as const
  ) {
    const client = await server.client();
    await client.ask(line, reply);
    await client.expectEnd();
  }
});
