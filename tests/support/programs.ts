/**
 * Programs that are not ours, which tests use where they are installed.
 *
 * @module
 */

/**
 * Runs a program to its end.
 *
 * @returns How it ended and what it printed, errors last; `undefined` where it is not installed.
 */
export async function runProgram(
  program: string,
  args: string[],
): Promise<{ success: boolean; text: string } | undefined> {
  try {
    // `output` throws, rather than rejects, where there is no such program.
    const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
    const decoder = new TextDecoder();
    return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether there is a program of this name; `versionOption` is how it is made to end at once. */
export async function isInstalled(program: string, versionOption = "--version"): Promise<boolean> {
  return await runProgram(program, [versionOption]) !== undefined;
}
