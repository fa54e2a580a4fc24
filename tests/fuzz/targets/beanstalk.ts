import { CommandParser } from "../../../lib/task/beanstalk/parser.ts";
import { MAX_BATCH_BYTES, MAX_OPTIONS_LINE_BYTES } from "../../../lib/task/beanstalk/words.ts";
import { BEANSTALK_SAMPLES } from "../samples.ts";
import { feed, type FuzzTarget, shown } from "../target.ts";

const MAX_JOB_BYTES = 1000;

/** Commands of beanstalk clients, with the options of put-job. */
export const beanstalkTarget: FuzzTarget = {
  name: "beanstalk",
  samples: BEANSTALK_SAMPLES,
  run(pieces) {
    const parser = new CommandParser({ maxJobBytes: MAX_JOB_BYTES });
    const found: string[] = [];
    feed(pieces, {
      maxBytes: MAX_BATCH_BYTES + MAX_OPTIONS_LINE_BYTES,
      parse(buffer) {
        for (let one; (one = parser.next(buffer)) !== null;) found.push(shown(one));
        return true;
      },
    });
    return found;
  },
};
