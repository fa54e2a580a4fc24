/// <reference lib="dom" />

/** The element with this id, which must exist. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** Creates an element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets an element's text if it differs: screen readers announce every change. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute if it differs; `null` removes it. */
export function setAttribute(element: Element, name: string, value: string | null): void {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Keeps one child per key, in the order of the keys. Children of keys that remain stay in the
 * document and keep their focus.
 */
export class KeyedChildren<View extends { root: Element }> {
  readonly #parent: Element;
  readonly #create: (key: string) => View;
  readonly #views = new Map<string, View>();

  /** @param create Creates the child for a new key. */
  constructor(parent: Element, create: (key: string) => View) {
    this.#parent = parent;
    this.#create = create;
  }

  /** Adds, removes and reorders children to match the keys; returns them in that order. */
  update(keys: readonly string[]): View[] {
    for (const [key, view] of this.#views) {
      if (keys.includes(key)) continue;
      view.root.remove();
      this.#views.delete(key);
    }
    return keys.map((key, i) => {
      const view = this.#views.get(key) ?? this.#create(key);
      this.#views.set(key, view);
      const current = this.#parent.children[i];
      if (current !== view.root) this.#parent.insertBefore(view.root, current ?? null);
      return view;
    });
  }
}

/** Whether a scrolling box is scrolled to its end. */
export function isAtEnd(box: Element): boolean {
  return box.scrollHeight - box.scrollTop - box.clientHeight < 8;
}
