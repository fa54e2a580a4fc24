/**
 * Mounts a small file system in memory. Disposing unmounts it.
 *
 * @returns `undefined` if this process may not mount anything.
 */
export async function mountSmall(
  directory: string,
  bytes: number,
): Promise<AsyncDisposable | undefined> {
  const run = async (name: string, ...args: string[]) => {
    const command = new Deno.Command(name, { args, stdout: "null", stderr: "null" });
    return (await command.output()).success;
  };
  try {
    if (!await run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory)) return;
  } catch {
    return undefined;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await run("umount", directory);
    },
  };
}
