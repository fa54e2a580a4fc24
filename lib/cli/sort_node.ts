import { createLog } from "../log.ts";
import { SortJob, type SortSummary } from "../mesh/job/sort_job.ts";
import type { Phase } from "../mesh/job/sort_progress.ts";
import { admitPeer } from "../mesh/link/admit_peer.ts";
import { nodeName } from "../mesh/link/call.ts";
import { readFirstLine } from "../mesh/link/first_line.ts";
import { HELLO, MESH_VERSION } from "../mesh/link/hello.ts";
import { Meeting } from "../mesh/link/meeting.ts";
import type { PeerLink } from "../mesh/link/peer_link.ts";
import { readTrust } from "../mesh/link/peer_tls.ts";
import { demandProof } from "../mesh/link/proof.ts";
import { unusedSpills } from "../mesh/node/stale_files.ts";
import { Listener } from "../net/listener.ts";
import { beginLogin } from "../net/login.ts";
import { CommandError } from "./command.ts";
import { Progress } from "./records_progress.ts";
import type { SortSettings } from "./sort_options.ts";
import { printError, writeAll } from "./terminal.ts";

/** How often the progress bar is updated. */
const PROGRESS_INTERVAL_MS = 250;
/** How often the missing nodes are named while the others wait. */
const WAITING_INTERVAL_MS = 5000;
/** The most files of killed sorts that are named. */
const MAX_NAMED_LEFTOVERS = 10;

/**
 * Runs one node of a sort without a daemon: meets the other nodes, sorts, and shows the progress.
 *
 * @param signal Cancels the sort.
 * @throws {Error} If the nodes do not meet, or the sort fails.
 */
export async function runSortNode(
  settings: SortSettings,
  signal: AbortSignal,
): Promise<SortSummary> {
  const { node, addresses, format, partition, job, listen } = settings;
  const nodes = Math.max(1, addresses.length);
  await nameLeftovers(settings.spillDir);
  if (nodes === 1) return await runJob(settings, [], signal);

  const log = createLog("sort", {
    level: "warn",
    format: "text",
    sink: (lines) => writeAll(Deno.stderr, lines),
  });
  const { tls } = settings;
  const trust = tls && readTrust(tls);
  let meeting: Meeting | undefined;
  const listener = await Listener.listen(listen!, {
    maxClients: 4 * nodes + 16,
    idleTimeoutMs: 0,
    fullReply: new TextEncoder().encode(`${HELLO.LATER}too many connections\n`),
    tls,
    log,
    handle: async (connection) => {
      const first = await readFirstLine(connection);
      if (!first || !first.line.startsWith(HELLO.PEER)) {
        log.warn("Refused a caller that is not a peer", { address: connection.remote });
        return;
      }
      using login = beginLogin(connection, { guard: () => settings.secret, log });
      if (!await demandProof(connection, first, login)) return;
      await admitPeer({ connection, ...first }, () => meeting ?? "starting");
    },
  });
  try {
    meeting = new Meeting({
      addresses,
      hello: { version: MESH_VERSION, job, node, nodes, format, partition },
      dialTimeoutMs: settings.dialTimeoutMs,
      stallTimeoutMs: settings.stallTimeoutMs,
      secret: () => settings.secret,
      trust: () => trust,
      signal,
    });
    const links = await waitForAll(meeting, settings);
    return await runJob(settings, links, signal);
  } finally {
    await listener.close();
  }
}

/** Names the spill files of sorts that were killed; nobody else would find them. */
async function nameLeftovers(spillDir: string): Promise<void> {
  for (const { path, bytes } of (await unusedSpills(spillDir)).slice(0, MAX_NAMED_LEFTOVERS)) {
    printError(`"${path}" (${bytes} bytes) is left from a sort that was killed; remove it`);
  }
}

async function waitForAll(
  meeting: Meeting,
  { addresses, json }: SortSettings,
): Promise<PeerLink[]> {
  const timer = setInterval(() => {
    const names = meeting.missing.map((node) => nodeName(node, addresses[node]));
    if (!json) printError(`Waiting for ${names.join(", ")}`);
  }, WAITING_INTERVAL_MS);
  try {
    return await meeting.links;
  } finally {
    clearInterval(timer);
  }
}

async function runJob(
  settings: SortSettings,
  links: PeerLink[],
  signal: AbortSignal,
): Promise<SortSummary> {
  const nodes = Math.max(1, settings.addresses.length);
  const job = new SortJob({ ...settings, nodes, links, signal });
  let phase: Phase | undefined;
  let totalBytes = 0;
  let progress: Progress | undefined;
  // A finished phase shows 100 %, even if no update came after its last step.
  const fill = () => {
    if (progress) progress.value = totalBytes;
  };
  const show = () => {
    const state = job.progress();
    if (state.phase !== phase) {
      fill();
      ({ phase, totalBytes } = state);
      progress?.stop();
      progress = settings.json ? undefined : new Progress(phase, state.totalBytes);
    }
    if (progress) progress.value = state.doneBytes;
  };
  const timer = setInterval(show, PROGRESS_INTERVAL_MS);
  try {
    const summary = await job.run();
    fill();
    return summary;
  } catch (error) {
    if (!job.inDoubt || !(error instanceof Error)) throw error;
    throw new CommandError(
      `${error.message}; it is not known whether the other nodes have written their outputs, so ` +
        `the sorted records are kept: see "quartet settle ${settings.output}"`,
    );
  } finally {
    clearInterval(timer);
    progress?.stop();
  }
}
