import { startDaemon, withOthersOff } from "../support/daemon.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { doorsOf } from "./doors.ts";
import { secretName } from "./part.ts";
import { type Say, Stage } from "./stage.ts";
import { tokensPart } from "./tokens.ts";

/** What the rotating token may do when its rights are limited. */
const LIMITED = `
kv = { read = ["*"] }
task = { work = ["default"] }
echo = { publish = ["soak.tokens"], subscribe = ["soak.tokens"] }
mesh = ["status"]
admin = "look"`;

/** All services in memory, with tokens that change. */
export async function guardedStage(say: Say): Promise<Stage> {
  await using resources = new AsyncDisposableStack();
  const directory = resources.use(await makeTempDirectory());
  const [steadyFile, rotatingFile] = ["steady", "rotating"].map((name) =>
    directory.path + "/" + name
  );
  const steadyToken = secretName();
  await Deno.writeTextFile(steadyFile!, steadyToken);
  await Deno.writeTextFile(rotatingFile!, secretName());

  function config(isLimited: boolean): string {
    const everywhere = 'services = ["echo", "kv", "task", "mesh", "admin"]';
    return withOthersOff(`
[storage]
url = "memory:"
[echo]
listen = "127.0.0.1:0"
nats = "127.0.0.1:0"
websocket = "127.0.0.1:0"
subject = "soak.tokens"
ping_interval = "off"
[kv]
listen = "127.0.0.1:0"
[task]
listen = "127.0.0.1:0"
beanstalk = "127.0.0.1:0"
generator = { enabled = false }
[mesh]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[auth]
max_failures = 1000
[auth.tokens.steady]
file = "${steadyFile}"
${everywhere}
[auth.tokens.rotating]
file = "${rotatingFile}"
${isLimited ? `[auth.tokens.rotating.services]${LIMITED}` : everywhere}
`);
  }

  const daemon = resources.use(await startDaemon({ config: config(false) }));
  const [lines, nats, websocket] = daemon.addresses("echo");
  const doors = doorsOf({
    lines: lines!,
    nats: nats!,
    websocket: websocket!,
    kv: daemon.address("kv"),
    beanstalk: daemon.addresses("task")[1]!,
    mesh: daemon.address("mesh"),
  });
  const plan = { steadyToken, rotatingFile: rotatingFile!, config };
  const parts = [tokensPart(daemon, doors, plan)];
  return new Stage("guarded", say, { daemon, parts, resources: resources.move() });
}
