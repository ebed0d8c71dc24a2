/** Answers and landmarks: a value a name, saved as the outline is. */
import { fetchEntries } from "./transfer.js";

export class Entries {
  /**
   * @param {string} what "answers" or "points"
   * @param {import("./saving.js").Saving} saving
   * @param {{entries: object, version: number}} found on the server
   * @param {() => void} tell called when a value has changed
   */
  constructor(what, saving, found, tell) {
    Object.assign(this, { what, saving, tell });
    this.values = { ...found.entries };
    this.line = saving.line(what, found.version, this);
  }

  /** Sets a value, or takes it away where it is undefined. */
  set(name, value) {
    if (value === undefined) delete this.values[name];
    else this.values[name] = value;
    this.line.changed();
    this.tell();
  }

  take() {}

  settle() {}

  async make() {
    return { query: {}, body: JSON.stringify({ entries: this.values }) };
  }

  async takeOver() {
    const found = await fetchEntries(this.saving.data, this.what);
    this.line.keeper.forget();
    [this.line.keeper.version, this.line.keeper.merges] = [found.version, null];
    this.values = found.entries;
    this.line.stored();
    this.tell();
  }
}
