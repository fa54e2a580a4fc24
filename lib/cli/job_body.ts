import { joinBytes } from "../join_bytes.ts";
import type { BeanstalkClient } from "../task/beanstalk/client.ts";
import { CommandError } from "./command.ts";

/** The `max_job_size` of a server that is not configured otherwise, here and in beanstalkd. */
export const USUAL_MAX_JOB_BYTES = 65_535;

/** No server accepts a longer job. */
export const MAX_JOB_BYTES = 2 ** 30;

/** The longest body that a server accepts; `undefined` if it does not tell this client. */
export async function askMaxJobBytes(client: BeanstalkClient): Promise<number | undefined> {
  const { body } = await client.ask("stats");
  const found = /^max-job-size: (\d+)$/m.exec(new TextDecoder().decode(body));
  return found === null ? undefined : Number(found[1]);
}

/**
 * Reads the body of a job, and no more of it than the server accepts: the input may be endless.
 *
 * @param askLimit Asks the server how long a body may be. Called at most once, and only if the body
 * is longer than usual.
 * @throws {CommandError} If the body is too long.
 */
export async function readJobBody(
  input: ReadableStream<Uint8Array>,
  askLimit: () => Promise<number | undefined>,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let maxBytes: number | undefined;
  for await (const chunk of input) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > USUAL_MAX_JOB_BYTES) maxBytes ??= await askLimit() ?? MAX_JOB_BYTES;
    if (maxBytes === undefined || bytes <= maxBytes) continue;
    throw new CommandError(
      `Cannot put a job: its body is longer than ${maxBytes} bytes, the max_job_size of the server`,
    );
  }
  return joinBytes(chunks);
}
