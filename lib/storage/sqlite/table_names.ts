/**
 * The names of the tables of a log. A name can move from one table to another; that is durable with
 * the group in which it happened, and undone if that group fails.
 *
 * @module
 */

import type { LogTable, TableOwner } from "../commit_log.ts";
import type { Directory } from "./connection.ts";
import { SnapshotTable } from "./snapshots.ts";

/** The tables by name. */
export class TableNames {
  #committed: Directory;
  #present: Directory;
  /** The present tables when the last group was sent. */
  #sent: Directory;
  /** Open tables by id; those without a name too, until it is certain that they stay without. */
  readonly #tables = new Map<number, SnapshotTable>();
  #opened: SnapshotTable[] = [];

  constructor(directory: Directory) {
    this.#committed = this.#present = this.#sent = directory;
  }

  /** The open tables that have a name. */
  get opened(): SnapshotTable[] {
    return this.#opened;
  }

  /** The names of the open tables. */
  get openNames(): string[] {
    return Object.keys(this.#present).filter((name) => this.#tables.has(this.#present[name]!));
  }

  /** All tables by name, as of the last durable group. */
  get committedDirectory(): Directory {
    return this.#committed;
  }

  /** The tables of owners, given by name, for those names that exist. They are not open yet. */
  tablesOf(owners: Readonly<Record<string, TableOwner>>): SnapshotTable[] {
    return Object.entries(owners).flatMap(([name, owner]) =>
      Object.hasOwn(this.#present, name) ? [new SnapshotTable(this.#present[name]!, owner)] : []
    );
  }

  /** Gives a new table a name. */
  add(name: string, id: number): void {
    if (!/^[a-z][a-z0-9_]*$/.test(name)) {
      throw new TypeError(`"${name}" cannot be the name of a table`);
    }
    this.#present = { ...this.#present, [name]: id };
  }

  /** Opens a table that has a name. */
  open(table: SnapshotTable): void {
    this.#tables.set(table.id, table);
    this.#list();
  }

  /** Gives the name of a table to another one. */
  replace(table: LogTable, by: SnapshotTable): void {
    this.#tables.set(by.id, by);
    this.#present = { ...this.#present, [this.#nameOf(table)]: by.id };
    this.#list();
  }

  /** Exchanges the names of two tables. */
  swap(a: LogTable, b: LogTable): void {
    this.#present = { ...this.#present, [this.#nameOf(a)]: b.id, [this.#nameOf(b)]: a.id };
  }

  /** The tables by name, if that has changed since the last call. */
  changed(): Directory | undefined {
    if (this.#sent === this.#present) return undefined;
    return this.#sent = this.#present;
  }

  /** A group with these tables is durable. */
  committed(directory: Directory): void {
    this.#committed = directory;
    const named = new Set([...Object.values(directory), ...Object.values(this.#present)]);
    for (const id of this.#tables.keys()) if (!named.has(id)) this.#tables.delete(id);
  }

  /** Everything since the last durable group is undone. */
  failed(): void {
    this.#present = this.#sent = this.#committed;
    this.#list();
  }

  #nameOf({ id }: LogTable): string {
    for (const [name, named] of Object.entries(this.#present)) if (named === id) return name;
    throw new Error(`Cannot rename table ${id}: it has no name`);
  }

  #list(): void {
    this.#opened = Object.values(this.#present).flatMap((id) => this.#tables.get(id) ?? []);
  }
}
