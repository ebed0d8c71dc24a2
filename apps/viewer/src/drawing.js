/** An outline on its way to the server: only what changed since the version that the server has. */
import { union } from "./boxes.js";
import { gridOf, packed } from "./transfer.js";

export class Drawing {
  /**
   * @param {import("./viewer.js").Viewer} viewer
   * @param {import("./saving.js").Saving} saving
   * @param {number} version that the outline began with
   */
  constructor(viewer, saving, version) {
    this.viewer = viewer;
    const { outline, said, done, isReduced } = viewer;
    Object.assign(this, { outline, said, done, isReduced });
    this.sending = null; // the box that is under way
    this.line = saving.line("mask", version, this);
  }

  /** The box that the server's version has otherwise. */
  get pending() {
    return union(this.sending, this.outline.changes);
  }

  take() {
    this.sending = this.pending;
    this.outline.changes = null; // strokes from here on are the next save's
  }

  settle(isSaved) {
    if (!isSaved) this.outline.changes = this.pending;
    this.sending = null;
  }

  async make() {
    const { outline, done, pending } = this;
    const said = { ...this.said, seen: done.said() };
    const body = await packed(said, pending, pending && outline.cut(pending));
    return { query: gridOf(this.isReduced), body };
  }

  /** The server's newest has been taken over. */
  renewed(version) {
    this.line.keeper.forget();
    this.line.keeper.version = version;
    this.line.keeper.merges = null;
    this.outline.changes = null;
    this.line.stored();
  }
}
