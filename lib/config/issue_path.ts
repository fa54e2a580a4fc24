import type { ArrayPathItem, ObjectPathItem } from "valibot";

type Item = ArrayPathItem | ObjectPathItem;

/**
 * The path of an issue that a check finds inside its value, in the form that valibot wants.
 *
 * @param value The value that is checked.
 * @param keys The keys and places that lead to what is wrong.
 */
export function issuePath(
  value: unknown,
  keys: readonly (string | number)[],
): [Item, ...Item[]] | undefined {
  const items: Item[] = [];
  let input = value as Record<string | number, unknown>;
  for (const key of keys) {
    const next = input[key];
    items.push({
      type: typeof key === "number" ? "array" : "object",
      origin: "value",
      input,
      key,
      value: next,
    } as unknown as Item);
    input = next as Record<string | number, unknown>;
  }
  const [first, ...rest] = items;
  return first === undefined ? undefined : [first, ...rest];
}
