import { Histogram, type Metric } from "../../metrics.ts";
import type { NodeProgress } from "./console.ts";
import type { SortSummary } from "../job/sort_job.ts";
import { PHASES } from "../job/sort_progress.ts";

/** The steps of a job on one node: it connects to the others, then the phases of the sort follow. */
const STEPS = ["connect", ...PHASES] as const;

/** Histogram bounds for the duration of a phase, in seconds: 10 ms to 2 h. */
const PHASE_BOUNDS_S = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200];

/** Metrics of the jobs that a node took part in. */
export class NodeMetrics {
  #done = 0;
  #failed = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  #partitionRecords = 0;
  readonly #durations = STEPS.map((phase) => (
    { labels: { phase }, histogram: new Histogram(PHASE_BOUNDS_S) }
  ));

  /**
   * Counts a job that succeeded.
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

  /** Counts a job that failed or was cancelled. */
  failed(): void {
    this.#failed++;
  }

  /**
   * The metrics.
   *
   * @param running This node's progress in the running job, if there is one.
   */
  metrics(running: NodeProgress | undefined): Metric[] {
    return [
      {
        type: "gauge",
        name: "mesh_phase",
        help: "1 for the current phase of this node in the running job, 0 for the others.",
        samples: STEPS.map((phase) => ({
          labels: { phase },
          value: Number(running?.phase === phase),
        })),
      },
      gauge("mesh_phase_bytes", "Bytes to process in the current phase.", running?.totalBytes),
      gauge("mesh_phase_done_bytes", "Bytes already processed in it.", running?.doneBytes),
      gauge(
        "mesh_job_records",
        "Records that this node has read in the running job.",
        running?.records,
      ),
      {
        type: "counter",
        name: "mesh_jobs_total",
        help: "Jobs that this node took part in, by result.",
        samples: [
          { labels: { result: "done" }, value: this.#done },
          { labels: { result: "failed" }, value: this.#failed },
        ],
      },
      {
        type: "histogram",
        name: "mesh_phase_duration_seconds",
        help: "Duration of each phase of the jobs that succeeded.",
        samples: this.#durations,
      },
      {
        type: "counter",
        name: "mesh_bytes_total",
        help: "Bytes exchanged with peers by the jobs that succeeded.",
        samples: [
          { labels: { direction: "sent" }, value: this.#sentBytes },
          { labels: { direction: "received" }, value: this.#receivedBytes },
        ],
      },
      gauge(
        "mesh_partition_records",
        "Records in the last output of this node.",
        this.#partitionRecords,
      ),
    ];
  }
}

function gauge(name: string, help: string, value = 0): Metric {
  return { type: "gauge", name, help, samples: [{ value }] };
}
