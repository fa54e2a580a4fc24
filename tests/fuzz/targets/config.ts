import * as v from "valibot";
import { ConfigError, loadConfig } from "../../../lib/config/load.ts";
import { SERVICES } from "../../../lib/services.ts";
import { schedulesSchema, timetableOf } from "../../../lib/task/schedule/config.ts";
import { lastRun } from "../../../lib/task/schedule/timetable.ts";
import { joined } from "../input.ts";
import { attempt, type FuzzTarget } from "../target.ts";

/** Separates the files in the samples: the main one, and those that it includes. */
const SEPARATOR = "\f";

/** A configuration in several files. */
const filesTarget: FuzzTarget = {
  name: "configuration",
  samples: [
    'include = ["conf.d/*.toml"]\n[daemon]\ndata_dir = "d"\ndrain_timeout = "10s"\n',
    '[echo]\nlisten = "127.0.0.1:0"\nqueue = 5\norigins = ["*"]\n',
    '[[echo.room]]\nlisten = "127.0.0.1:8085"\nsubject = "a.b"\n',
    '[kv]\nmax_memory = "1GiB"\nstorage = \'memory:\'\nproxy_protocol = ["10.0.0.0/8"]\n',
    '[task.tubes.mail]\nmax_attempts = 25\nrate = "100/s"\nburst = 200\n',
    '[[task.schedule]]\nname = "a"\ncron = "0 9 * * 1-5"\ntime_zone = "Europe/Berlin"\n',
    '[auth.tokens.app]\nenv = "TOKEN"\n[auth.tokens.app.services]\nkv = { read = ["a:*"] }\n',
    '[bus]\nurl = ["nats://127.0.0.1:4222"]\ntoken = { env = "${TOKEN}" }\n',
    SEPARATOR,
  ],
  run(pieces) {
    const [text = "", ...others] = textOf(pieces).split(SEPARATOR);
    const files = new Map(others.map((other, i) => [`conf.d/${i}.toml`, other]));
    const source = {
      file: "quartet.toml",
      text,
      readFile(path: string) {
        const found = files.get(path);
        if (found === undefined) throw new Deno.errors.NotFound("no such file");
        return found;
      },
      listFiles: () => [...files.keys()].map((path) => path.slice("conf.d/".length)),
      env: (name: string) => name === "TOKEN" ? "a-token" : undefined,
    };
    return [attempt([ConfigError], () => loadConfig(source, SERVICES).effective)];
  },
};

const SCHEDULE = v.parse(schedulesSchema(v.string()), [{ name: "a", every: "10s" }])[0]!;
const START_MS = Date.UTC(2026, 2, 29);
const PERIOD_MS = 30 * 86_400_000;

/** A schedule: an expression, and a time zone in the next line. */
const scheduleTarget: FuzzTarget = {
  name: "schedules",
  samples: [
    ...["30 3 * * 1-5", "*/10 0-5,22 * JAN-MAR MON", "0 0 0 L * *", "@daily", "0 0 29 2 *"],
    ...["59 23 31 12 ?", "1/3 * * * 5#2", "0 12 15W * 5L", "\nEurope/Berlin", "\nAsia/Kathmandu"],
  ],
  run(pieces) {
    const [cron = "", zone] = textOf(pieces).split("\n");
    const table = zone === undefined ? { cron } : { cron, time_zone: zone };
    const result = v.safeParse(schedulesSchema(v.string()), [{ name: "a", ...table }]);
    if (!result.success) return result.issues.map(({ message }) => message);
    const { every: _, ...rest } = SCHEDULE;
    const timetable = timetableOf({ ...rest, ...result.output[0]! });
    const runs: string[] = [];
    let at: number | null = START_MS;
    for (let i = 0; i < 5 && at !== null; i++) {
      const next: number | null = timetable.next(at);
      if (next !== null && next <= at) throw new Error(`after ${at} comes ${next}`);
      runs.push(`${next}`);
      at = next;
    }
    const last = lastRun(timetable, START_MS, START_MS + PERIOD_MS);
    return [...runs, `${last}`];
  },
};

/** Targets that read the configuration. */
export const configTargets: readonly FuzzTarget[] = [filesTarget, scheduleTarget];

function textOf(pieces: Iterable<Uint8Array>): string {
  return new TextDecoder().decode(joined(pieces));
}
