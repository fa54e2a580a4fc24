/**
 * The tables of the queue in PostgreSQL. All times are milliseconds since the Unix epoch by the clock
 * of the database. `due_at` is `JobFacts.dueAt`, with NULL for ready jobs.
 *
 * @module
 */

/** The schema: version 1 first, then the step to each later one; see `PostgresDatabase.migrate`. */
export const TASK_MIGRATIONS: readonly string[] = [
  `CREATE SEQUENCE quartet.task_ids;
   -- Each daemon takes a number, so that it knows which jobs its clients have reserved.
   CREATE SEQUENCE quartet.task_daemons;
   CREATE TABLE quartet.task_jobs (
     id bigint PRIMARY KEY,
     tube text NOT NULL,
     state smallint NOT NULL,
     priority bigint NOT NULL,
     due_at bigint,
     daemon bigint,
     client bigint,
     delay_ms bigint NOT NULL,
     ttr_ms bigint NOT NULL,
     created_at bigint NOT NULL,
     reserves int NOT NULL DEFAULT 0,
     timeouts int NOT NULL DEFAULT 0,
     releases int NOT NULL DEFAULT 0,
     buries int NOT NULL DEFAULT 0,
     kicks int NOT NULL DEFAULT 0,
     attempts int NOT NULL DEFAULT 0,
     key text,
     reason bytea NOT NULL DEFAULT '',
     body bytea NOT NULL
   );
   CREATE INDEX task_jobs_ready ON quartet.task_jobs (tube, priority, id) WHERE state = 0;
   CREATE INDEX task_jobs_due ON quartet.task_jobs (due_at) WHERE state IN (1, 2);
   CREATE INDEX task_jobs_other ON quartet.task_jobs (tube, state, due_at, id) WHERE state > 0;
   CREATE UNIQUE INDEX task_jobs_key ON quartet.task_jobs (tube, key) WHERE key IS NOT NULL;
   CREATE TABLE quartet.task_results (
     id bigint PRIMARY KEY,
     expires_at bigint NOT NULL,
     body bytea NOT NULL
   );
   CREATE INDEX task_results_expires_at ON quartet.task_results (expires_at);
   CREATE TABLE quartet.task_tubes (
     name text PRIMARY KEY,
     paused_until bigint NOT NULL DEFAULT 0,
     pause_ms bigint NOT NULL DEFAULT 0
   );`,
  `ALTER TABLE quartet.task_results ADD COLUMN cancelled boolean NOT NULL DEFAULT false;`,
  `CREATE TABLE quartet.task_schedules (
     name text PRIMARY KEY,
     timing text NOT NULL,
     handled_at bigint NOT NULL,
     ran_at bigint NOT NULL DEFAULT 0,
     job bigint NOT NULL DEFAULT 0
   );`,
  // When the token bucket of a tube with a rate is full again.
  `ALTER TABLE quartet.task_tubes ADD COLUMN full_at double precision NOT NULL DEFAULT 0;`,
  `ALTER TABLE quartet.task_jobs
     -- What ends the hold on the key, as a number; NULL for the end of the job.
     ADD COLUMN key_hold smallint,
     ADD COLUMN key_until bigint,
     ADD COLUMN expires_at bigint,
     -- Whether other jobs are to run after this one.
     ADD COLUMN followed boolean NOT NULL DEFAULT false,
     -- The options of the job as JSON, if it has any beyond a key.
     ADD COLUMN options text;
   -- Two jobs have the same key if one was put while the other was buried or reserved.
   DROP INDEX quartet.task_jobs_key;
   CREATE INDEX task_jobs_key ON quartet.task_jobs (tube, key)
     WHERE key IS NOT NULL AND state <> 3;
   CREATE INDEX task_jobs_expires_at ON quartet.task_jobs (expires_at)
     WHERE expires_at IS NOT NULL;
   -- Keys that are held for a fixed time, even after the job is gone.
   CREATE TABLE quartet.task_keys (
     tube text NOT NULL,
     key text NOT NULL,
     id bigint NOT NULL,
     expires_at bigint NOT NULL,
     PRIMARY KEY (tube, key)
   );
   CREATE INDEX task_keys_expires_at ON quartet.task_keys (expires_at);
   -- Which jobs a held job waits for.
   CREATE TABLE quartet.task_after (
     id bigint NOT NULL,
     job bigint NOT NULL,
     PRIMARY KEY (id, job)
   );
   CREATE INDEX task_after_job ON quartet.task_after (job);
   -- Followed jobs that are gone: done, or lost because they were deleted or cancelled.
   CREATE TABLE quartet.task_ended (
     id bigint PRIMARY KEY,
     lost boolean NOT NULL
   );`,
  `ALTER TABLE quartet.task_jobs
     -- How a dead letter was given up: in which tube, after how many attempts, and why.
     ADD COLUMN dead_tube text,
     ADD COLUMN dead_attempts int,
     ADD COLUMN dead_reason bytea;`,
  // What the last worker of a job said about its progress.
  `ALTER TABLE quartet.task_jobs ADD COLUMN progress bytea NOT NULL DEFAULT '';`,
];

/** Storage parameters of the table of jobs, whose rows change and go all the time. */
export const TASK_TUNING: readonly string[] = [
  "ALTER TABLE quartet.task_jobs SET (fillfactor = 70)",
  `ALTER TABLE quartet.task_jobs SET (autovacuum_vacuum_scale_factor = 0.02,
     autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)`,
];
