/**
 * Runs a program and returns its standard output.
 *
 * @throws {Error} If it cannot be run or fails; the message holds what it wrote to standard error.
 */
export async function run(
  program: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const command = new Deno.Command(program, { args, env: { LC_ALL: "C", ...env }, stdin: "null" });
  let output: Deno.CommandOutput;
  try {
    output = await command.output();
  } catch (error) {
    throw new Error(`Cannot run ${program}: ${(error as Error).message}`);
  }
  const decoder = new TextDecoder();
  if (!output.success) {
    throw new Error(`${program} failed: ${decoder.decode(output.stderr).trim()}`);
  }
  return decoder.decode(output.stdout);
}
