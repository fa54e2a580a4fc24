/**
 * A database whose n-th statement or commit is refused, for suites that run once for each n.
 *
 * @module
 */

import postgres from "postgres";

/** If greater than 1, every step of each test fails once; otherwise one of the first steps. */
export const FACTOR = Number(Deno.env.get("QUARTET_TEST_FACTOR") ?? 1);
const SAMPLED_STEPS = 40;

/** How often the step fails: more often than the engine repeats work after a conflict. */
const TIMES = 2;

/** The n-th step fails, and the one after it. */
export class FailingStatement {
  #at: number;
  #passes = 0;

  constructor(at: number) {
    this.#at = at;
  }

  /** How many steps have failed. */
  get injected(): number {
    return Math.min(TIMES, Math.max(0, this.#passes - this.#at + 1));
  }

  /** Lets the next step fail, and the one after it. */
  failNext(): void {
    this.#at = this.#passes + 1;
  }

  /** Makes the statements of a connection steps, and the commit of each of its transactions. */
  readonly wrap = (sql: postgres.Sql): postgres.Sql => {
    return this.#wrapQueries(sql, {
      begin: (work: (sql: postgres.Sql) => Promise<unknown>) =>
        sql.begin(async (inner) => {
          const result = await work(this.#wrapQueries(inner as unknown as postgres.Sql, {}));
          this.#step();
          return result;
        }),
    });
  };

  #wrapQueries(sql: postgres.Sql, methods: object): postgres.Sql {
    return new Proxy(sql, {
      apply: (target, _, parameters) =>
        this.#lazily(Reflect.apply(target as unknown as () => object, undefined, parameters)),
      get: (target, name) => {
        if (name in methods) return methods[name as keyof typeof methods];
        const member = target[name as keyof typeof target] as unknown;
        if (name !== "unsafe") return member;
        return (...parameters: unknown[]) => {
          const query = (member as (...parameters: unknown[]) => object)(...parameters);
          // The client asks this whenever nothing else happens, which is no step.
          return parameters[0] === "SELECT NULL" ? query : this.#lazily(query);
        };
      },
    });
  }

  /** A part of a statement is a query as well, but nobody awaits it. */
  #lazily(query: object): object {
    if (!(query instanceof Promise)) return query;
    const then = query.then.bind(query);
    query.then = ((...handlers: Parameters<typeof then>) => {
      try {
        this.#step();
      } catch (error) {
        return Promise.reject(error).then(...handlers);
      }
      return then(...handlers);
    }) as typeof query.then;
    return query;
  }

  #step(): void {
    const pass = ++this.#passes;
    if (pass < this.#at || pass >= this.#at + TIMES) return;
    const Refused = postgres.PostgresError as unknown as new (fields: object) => Error;
    throw new Refused({ code: "53100", message: "no space left on device" });
  }
}

/** Calls a function for each step that is to fail, until none has failed in it. */
export async function forEachStatement(
  run: (step: FailingStatement) => Promise<void>,
): Promise<void> {
  const sample = 1 + Math.floor(SAMPLED_STEPS * Math.random());
  for (let at = FACTOR > 1 ? 1 : sample;; at++) {
    const step = new FailingStatement(at);
    try {
      await run(step);
    } catch (error) {
      throw new Error(`with statement ${at} failing`, { cause: error });
    }
    if (FACTOR === 1 || step.injected === 0) return;
  }
}
