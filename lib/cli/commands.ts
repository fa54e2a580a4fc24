import type { Command } from "./command.ts";
import { backup } from "./backup.ts";
import { check } from "./check.ts";
import { client } from "./client.ts";
import { createCompletions } from "./completions.ts";
import { health } from "./health.ts";
import { init } from "./init.ts";
import { permissions } from "./permissions.ts";
import { pub } from "./pub.ts";
import { put } from "./put.ts";
import { records } from "./records.ts";
import { restore } from "./restore.ts";
import { schema } from "./schema.ts";
import { serve } from "./serve.ts";
import { settle } from "./settle.ts";
import { sort } from "./sort.ts";
import { storage } from "./storage.ts";
import { sub } from "./sub.ts";
import { top } from "./top.ts";
import { token } from "./token.ts";
import { work } from "./work.ts";

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  serve,
  check,
  init,
  health,
  top,
  client,
  pub,
  sub,
  work,
  put,
  sort,
  settle,
  records,
  backup,
  restore,
  storage,
  token,
  schema,
  permissions,
  createCompletions(() => COMMANDS),
];
