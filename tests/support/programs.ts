/**
 * Third-party programs, which tests use if they are installed.
 *
 * @module
 */

/**
 * Runs a program and waits for it to exit.
 *
 * @returns Whether it succeeded, and its output followed by its errors; `undefined` if it is not
 * installed.
 */
export async function runProgram(
  program: string,
  args: string[],
): Promise<{ success: boolean; text: string } | undefined> {
  try {
    // `output` throws, rather than rejects, if there is no such program.
    const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
    const decoder = new TextDecoder();
    return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether a program is installed; with `versionOption` it must exit at once. */
export async function isInstalled(program: string, versionOption = "--version"): Promise<boolean> {
  return await runProgram(program, [versionOption]) !== undefined;
}
