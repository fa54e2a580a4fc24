import { startDaemon, withOthersOff } from "../support/daemon.ts";
import { busPart } from "./bus.ts";
import { kvAccountsPart } from "./kv_accounts.ts";
import { kvKeysPart } from "./kv_keys.ts";
import { meshSortsPart } from "./mesh_sorts.ts";
import { natsRequestsPart } from "./nats_requests.ts";
import { type Limits, limitsAt, reloadsPart } from "./reloads.ts";
import { type Say, Stage } from "./stage.ts";
import { taskJobsPart } from "./task_jobs.ts";
import { OPTIONS_TUBE, taskOptionsPart } from "./task_options.ts";
import { SCHEDULE_TABLES, taskSchedulesPart } from "./task_schedules.ts";
import { troublePart } from "./trouble.ts";

const SUBJECT = "soak.room";

function config({ maxLineBytes, maxClients, drainTimeoutSeconds }: Limits): string {
  return withOthersOff(`
[daemon]
drain_timeout = "${drainTimeoutSeconds}s"
[echo]
listen = "127.0.0.1:0"
nats = "127.0.0.1:0"
websocket = "127.0.0.1:0"
subject = "${SUBJECT}"
max_clients = ${maxClients}
# The readers share their cores with everything else here, so they may pause without being slow.
slow_after = "5s"
[kv]
listen = "127.0.0.1:0"
max_clients = ${maxClients}
max_line = "${maxLineBytes}B"
slow_after = "5s"
notify_keyspace_events = "KEA"
[task]
listen = "127.0.0.1:0"
beanstalk = "127.0.0.1:0"
max_clients = ${maxClients}
result_ttl = "10s"
events = true
[task.tubes."${OPTIONS_TUBE.name}"]
dead_letter = "${OPTIONS_TUBE.deadLetter}"
${SCHEDULE_TABLES}
[mesh]
listen = "127.0.0.1:0"
memory = "64MiB"
max_clients = ${maxClients}
[admin]
listen = "127.0.0.1:0"
`);
}

/**
 * All services on SQLite, used over all protocols next to clients that misbehave.
 *
 * @param options.troublemakers The number of these clients.
 * @param options.reloads Whether limits change meanwhile.
 */
export async function fullStage(
  say: Say,
  { troublemakers = 5, reloads = true } = {},
): Promise<Stage> {
  await using resources = new AsyncDisposableStack();
  const daemon = resources.use(await startDaemon({ config: config(limitsAt(0)) }));
  const [lines, nats, websocket] = daemon.addresses("echo");
  const [push, beanstalk] = daemon.addresses("task");
  const [kv, mesh, admin] = ["kv", "mesh", "admin"].map((name) => daemon.address(name));
  const doors = { lines: lines!, nats: nats!, websocket: websocket!, redis: kv! };
  const ports = {
    ...doors,
    kv: kv!,
    push: push!,
    beanstalk: beanstalk!,
    mesh: mesh!,
    admin: admin!,
  };
  const { redis: _, ...troubled } = ports;
  const parts = [
    busPart({ addresses: doors, subject: SUBJECT }),
    natsRequestsPart(doors.nats),
    kvKeysPart(ports.kv),
    kvAccountsPart(ports.kv),
    taskJobsPart(ports.beanstalk),
    taskOptionsPart(ports.beanstalk),
    taskSchedulesPart({ task: ports.beanstalk, admin: ports.admin }),
    meshSortsPart(ports.mesh, `${daemon.directory}/data/sort`),
    troublePart(troubled, troublemakers),
  ];
  if (reloads) parts.push(reloadsPart(daemon, { kv: ports.kv, config }));
  return new Stage("full", say, { daemon, parts, resources: resources.move() });
}
