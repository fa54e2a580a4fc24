/// <reference lib="dom" />

/** The element with an id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** Makes an element with attributes and children. */
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

/** Sets a text, if it is another: screen readers say what changes. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute, if it is another; `null` removes it. */
export function setAttribute(element: Element, name: string, value: string | null): void {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Keeps one child a key, in their order. What is there stays, with its focus; what is no longer
 * named goes.
 */
export class KeyedChildren<View extends { root: Element }> {
  readonly #parent: Element;
  readonly #create: (key: string) => View;
  readonly #views = new Map<string, View>();

  /** @param create Makes the child for a new key. */
  constructor(parent: Element, create: (key: string) => View) {
    this.#parent = parent;
    this.#create = create;
  }

  /** Brings the children in line with the keys. */
  update(keys: readonly string[]): View[] {
    for (const [key, view] of this.#views) {
      if (keys.includes(key)) continue;
      view.root.remove();
      this.#views.delete(key);
    }
    return keys.map((key, i) => {
      const view = this.#views.get(key) ?? this.#create(key);
      this.#views.set(key, view);
      const there = this.#parent.children[i];
      if (there !== view.root) this.#parent.insertBefore(view.root, there ?? null);
      return view;
    });
  }
}

/** Whether a box that scrolls shows its end. */
export function isAtEnd(box: Element): boolean {
  return box.scrollHeight - box.scrollTop - box.clientHeight < 8;
}
