import { dataConfig, startDaemon } from "../support/daemon.ts";
import { mountSmall } from "../support/small_disk.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { fullDiskPart } from "./full_disk.ts";
import { KvAcknowledged } from "./kv_acknowledged.ts";
import { type Say, Stage } from "./stage.ts";
import { TaskAcknowledged } from "./task_acknowledged.ts";

const DISK_BYTES = 48 * 1024 * 1024;

/**
 * kv and task on a small disk that fills up at times.
 *
 * @returns `undefined` if this process may not mount a disk.
 */
export async function smallDiskStage(say: Say): Promise<Stage | undefined> {
  await using resources = new AsyncDisposableStack();
  const directory = resources.use(await makeTempDirectory());
  const disk = await mountSmall(directory.path, DISK_BYTES);
  if (disk === undefined) {
    say("disk", "skipped: mounting a disk needs the rights of root");
    return undefined;
  }
  resources.use(disk);
  const config = dataConfig("sqlite:quartet.db", directory.path) + `
[kv]
listen = "127.0.0.1:0"
[task]
listen = "127.0.0.1:0"
beanstalk = "127.0.0.1:0"
generator = { enabled = false }
`;
  const daemon = resources.use(await startDaemon({ config }));
  const kv = daemon.address("kv");
  const keys = new KvAcknowledged(kv, { valueBytes: 8000, refusalsAreFinal: true });
  const jobs = new TaskAcknowledged(daemon.addresses("task")[1]!, { bodyBytes: 8000 });

  /** Starts another daemon on the disk, which must find everything. */
  async function afterwards(): Promise<string> {
    await using next = await startDaemon({ config });
    const count = await keys.check(next.address("kv"));
    await jobs.check(next.addresses("task")[1]!);
    return `${count} keys and no job on the disk after a restart`;
  }

  return new Stage("disk", say, {
    daemon,
    parts: [keys, jobs, fullDiskPart(kv, directory.path)],
    expectedErrors: /error="the disk is full"/,
    resources: resources.move(),
    afterwards,
  });
}
