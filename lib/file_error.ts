/** Reasons by error code; the codes are those of POSIX. */
const REASONS: Record<string, string> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOENT: "no such file or directory",
  EEXIST: "a file of that name is in the way",
  ENOTDIR: "part of the path is a file, not a directory",
  EISDIR: "it is a directory",
  ENOSPC: "the disk is full",
};

/**
 * Says in a few words why a file operation failed, without the error number and the system call
 * that Deno adds to its messages.
 *
 * @param error The error that the operation threw.
 */
export function fileErrorReason(error: unknown): string {
  const { code, message = String(error) } = error as { code?: string; message?: string };
  return REASONS[code ?? ""] ?? message;
}
