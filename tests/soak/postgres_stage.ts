import { startDaemon } from "../support/daemon.ts";
import { PostgresServer } from "../support/postgres.ts";
import { KvAcknowledged } from "./kv_acknowledged.ts";
import { postgresRestartsPart } from "./postgres_restarts.ts";
import { type Say, Stage } from "./stage.ts";
import { TaskAcknowledged } from "./task_acknowledged.ts";

/**
 * The connections of kv (8) and of task (6). Each is opened when it is needed, so there may be few of
 * them when the descriptors are counted early on, soon after a crash.
 */
const POOL_CONNECTIONS = 14;

/** kv and task on a PostgreSQL that is killed at times. */
export async function postgresStage(say: Say): Promise<Stage> {
  await using resources = new AsyncDisposableStack();
  const server = resources.use(await PostgresServer.start());
  const url = await server.createDatabase();
  const config = `
[storage]
url = "${url}"
[kv]
listen = "127.0.0.1:0"
[task]
listen = "127.0.0.1:0"
beanstalk = "127.0.0.1:0"
generator = { enabled = false }
[admin]
listen = "127.0.0.1:0"
`;
  const daemon = resources.use(await startDaemon({ config }));
  const parts = [
    new KvAcknowledged(daemon.address("kv"), { valueBytes: 1000, refusalsAreFinal: false }),
    new TaskAcknowledged(daemon.addresses("task")[1]!, { bodyBytes: 1000 }),
    postgresRestartsPart(server),
  ];
  // Each outage is logged.
  const expectedErrors = /msg="Database lost" error=/;
  return new Stage("postgres", say, {
    daemon,
    parts,
    lateDescriptors: POOL_CONNECTIONS,
    expectedErrors,
    resources: resources.move(),
  });
}
