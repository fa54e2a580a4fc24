import { Histogram, type Metric } from "../../metrics.ts";
import type { NodeProgress } from "./console.ts";
import type { SortSummary } from "../job/sort_job.ts";
import { PHASES } from "../job/sort_progress.ts";

/** What a node does in a job: it connects to the others, and then come the phases of the sort. */
const STEPS = ["connect", ...PHASES] as const;

/** Upper bounds of what a phase takes, in seconds: 10 ms to 2 h. */
const PHASE_BOUNDS_S = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200];

/** What a mesh node has counted. */
export class MeshFigures {
  #done = 0;
  #failed = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  #partitionRecords = 0;
  readonly #durations = STEPS.map((phase) => (
    { labels: { phase }, histogram: new Histogram(PHASE_BOUNDS_S) }
  ));

  /**
   * A job is done.
   *
   * @param connectSeconds How long it took until all nodes were connected.
   */
  succeeded({ output, peers, seconds }: SortSummary, connectSeconds: number): void {
    this.#done++;
    this.#partitionRecords = output.records;
    for (const { sentBytes, receivedBytes } of peers) {
      this.#sentBytes += sentBytes;
      this.#receivedBytes += receivedBytes;
    }
    const all = { connect: connectSeconds, ...seconds };
    for (const { labels, histogram } of this.#durations) histogram.observe(all[labels.phase]);
  }

  /** A job has come to nothing. */
  failed(): void {
    this.#failed++;
  }

  /**
   * The figures.
   *
   * @param running How far this node is with the job that runs, if one does.
   */
  metrics(running: NodeProgress | undefined): Metric[] {
    return [
      {
        type: "gauge",
        name: "mesh_phase",
        help: "1 for the phase in which this node is with the job that runs, 0 for the others.",
        samples: STEPS.map((phase) => ({
          labels: { phase },
          value: Number(running?.phase === phase),
        })),
      },
      gauge("mesh_phase_bytes", "Bytes that the phase has to go through.", running?.totalBytes),
      gauge("mesh_phase_done_bytes", "Bytes that it has been through.", running?.doneBytes),
      gauge("mesh_job_records", "Records of this node in the job that runs.", running?.records),
      {
        type: "counter",
        name: "mesh_jobs_total",
        help: "Jobs that this node has taken part in.",
        samples: [
          { labels: { result: "done" }, value: this.#done },
          { labels: { result: "failed" }, value: this.#failed },
        ],
      },
      {
        type: "histogram",
        name: "mesh_phase_duration_seconds",
        help: "How long the phases of jobs took that were done.",
        samples: this.#durations,
      },
      {
        type: "counter",
        name: "mesh_bytes_total",
        help: "Bytes sent to and received from peers by jobs that were done.",
        samples: [
          { labels: { direction: "sent" }, value: this.#sentBytes },
          { labels: { direction: "received" }, value: this.#receivedBytes },
        ],
      },
      gauge(
        "mesh_partition_records",
        "Records of this node's last output.",
        this.#partitionRecords,
      ),
    ];
  }
}

function gauge(name: string, help: string, value = 0): Metric {
  return { type: "gauge", name, help, samples: [{ value }] };
}
