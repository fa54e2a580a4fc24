/** Runs a command line of the shell on some bytes, in the C locale; returns what it prints. */
export async function shellOutput(line: string, input: Uint8Array): Promise<string> {
  const child = new Deno.Command("sh", {
    args: ["-c", line],
    env: { LC_ALL: "C" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  // A reader such as head may end before it has read everything.
  await writer.write(input).then(() => writer.close()).catch(() => {});
  return new TextDecoder().decode((await output).stdout);
}
