import type { ServiceAction } from "../service.ts";
import type { MeshNode } from "./node/mesh_node.ts";

type Fields = Readonly<Record<string, unknown>>;

const OK = /^OK job (\d+)$/;
const ERR = /^ERR (.)(.*)$/;

/**
 * The actions that an operator can run on a mesh: `cancel` ends a job, and `retry` queues one again
 * that has failed or was cancelled. Both take the number of a `job`.
 */
export function meshActions(
  node: Pick<MeshNode, "cancel" | "retry">,
): Record<string, ServiceAction> {
  return {
    cancel: async (fields) => {
      const job = jobIn(fields);
      acceptedJob(await node.cancel(job));
      return `Job ${job} is being cancelled.`;
    },
    retry: async (fields) => {
      const job = jobIn(fields);
      return `Job ${job} is queued again as job ${acceptedJob(await node.retry(job))}.`;
    },
  };
}

/**
 * The job that a reply of the console names.
 *
 * @throws {Error} If it refuses the command, with its reason as a sentence.
 */
function acceptedJob(reply: string): string {
  const job = OK.exec(reply)?.[1];
  if (job !== undefined) return job;
  const [, first = "", rest = ""] = ERR.exec(reply) ?? [];
  throw new Error(`${first.toUpperCase()}${rest}.`);
}

function jobIn({ job }: Fields): number {
  if (typeof job === "number" && Number.isSafeInteger(job) && job > 0) return job;
  throw new RangeError('"job" must be a whole number above 0.');
}
