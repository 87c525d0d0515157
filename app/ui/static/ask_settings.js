// What the reader chose for questions on this browser: sources, shape, what happens where nothing is found, and whether the
// model's draft stands open. Falls back to the usual where storage is blocked. Holds no medical text.

const KEY = "llamacare.ask";
const USUAL = { scope: "all", ungrounded: "mark", template: "quick", draft: false };

export class AskSettings {
  #values = { ...USUAL };

  constructor() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      for (const [name, value] of Object.entries(USUAL)) if (typeof kept?.[name] === typeof value) this.#values[name] = kept[name];
    } catch {
      // Storage blocked, or not ours: the usual holds.
    }
  }

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    this.#values[name] = value;
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // Storage blocked: the choice holds until the page is left.
    }
  }
}
