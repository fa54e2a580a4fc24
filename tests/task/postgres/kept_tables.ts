import { TASK_MIGRATIONS } from "../../../lib/task/postgres/schema.ts";
import type { KeptTables } from "../../support/kept_database.ts";

/** The tables of a queue, for tests that use them one after another. */
export const TASK_TABLES: KeptTables = {
  migration: ["task", TASK_MIGRATIONS],
  empty: `DO $$
    DECLARE part text;
    BEGIN
      FOR part IN SELECT relname FROM pg_class
        WHERE relnamespace = 'quartet'::regnamespace AND relkind = 'r' AND relname LIKE 'task%'
      LOOP EXECUTE format('DELETE FROM quartet.%I', part); END LOOP;
      ALTER SEQUENCE quartet.task_ids RESTART;
    END $$`,
};
