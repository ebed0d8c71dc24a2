/**
 * The structures of a scan, an id a voxel, and all that changes them.
 *
 * Nothing is changed but through `#change`, which keeps to what may be changed: structures that are
 * locked or hidden stay as they are, and paint keeps to the limits of intensity where there are any.
 */

import { cut, eachRow, union } from "./boxes.js";

const DEEPEST = 40_000_000; // voxels that undo remembers, over all strokes
const MOST_FILLED = 8_000_000;

export class Outline {
  /**
   * @param {Uint8Array} ids x runs fastest
   * @param {number[]} dims voxels along x, y, z
   * @param {number[]} spacing millimetres
   * @param {ArrayLike<number>} intensities of the scan, in the same order
   */
  constructor(ids, dims, spacing, intensities) {
    Object.assign(this, { ids, dims, spacing, intensities });
    this.protected = new Set(); // ids that nothing may paint over, nor with
    this.limits = null; // {low, high}: what paint keeps to
    this.counts = new Float64Array(256);
    for (let i = 0; i < ids.length; i++) this.counts[ids[i]]++;
    this.undoable = [];
    this.redoable = [];
    this.stroke = null;
    this.changes = null; // the box that holds all that changed since it was last taken
  }

  begin() {
    this.stroke = { indices: [], before: [], after: [], box: null };
  }

  /** Ends the stroke; whether it changed anything. */
  end() {
    const { indices, before, after, box } = this.stroke ?? { indices: [] };
    this.stroke = null;
    if (!indices.length) return false;
    this.changes = union(this.changes, box);
    this.undoable.push({
      box,
      indices: Uint32Array.from(indices),
      before: Uint8Array.from(before),
      after: Uint8Array.from(after),
    });
    this.redoable.length = 0;
    let total = this.undoable.reduce((sum, done) => sum + done.indices.length, 0);
    while (total > DEEPEST && this.undoable.length > 1) total -= this.undoable.shift().indices.length;
    return true;
  }

  /**
   * Paints all within `radius` millimetres of the line from one voxel to another.
   *
   * @param {number[]} from voxel, not rounded
   * @param {number[]} to the same
   * @param {number} radius millimetres; the voxels that the line goes through are always painted
   * @param {?number} normal the axis across which to stay in one slice; null for a ball
   * @param {number} id 0 erases
   * @returns {?{low: number[], high: number[]}} the box that changed
   */
  brush(from, to, radius, normal, id) {
    const { dims, spacing } = this;
    if (normal !== null) {
      from = from.with(normal, Math.round(from[normal]));
      to = to.with(normal, from[normal]);
    }
    const reach = spacing.map((mm, k) => (k === normal ? 0 : Math.max(radius / mm, 0.5)));
    const low = dims.map((_, k) => Math.max(0, Math.ceil(Math.min(from[k], to[k]) - reach[k])));
    const high = dims.map((n, k) =>
      Math.min(n - 1, Math.floor(Math.max(from[k], to[k]) + reach[k])),
    );
    const line = spacing.map((mm, k) => (to[k] - from[k]) / reachOf(radius, mm));
    const length = line.reduce((sum, part) => sum + part * part, 0);
    for (let z = low[2]; z <= high[2]; z++) {
      for (let y = low[1]; y <= high[1]; y++) {
        for (let x = low[0]; x <= high[0]; x++) {
          const d = [x, y, z].map((n, k) => (n - from[k]) / reachOf(radius, spacing[k]));
          const dot = d[0] * line[0] + d[1] * line[1] + d[2] * line[2];
          const t = length ? Math.min(1, Math.max(0, dot / length)) : 0;
          const away = d.reduce((sum, part, k) => sum + (part - t * line[k]) ** 2, 0);
          if (away <= 1) this.#change(this.#index(x, y, z), id);
        }
      }
    }
    return this.#touched({ low, high });
  }

  /**
   * Fills what hangs together with a voxel and bears the same id, in its slice or in the volume.
   *
   * @returns {?{low: number[], high: number[]}} the box that changed; null where it would be too much
   */
  fill(start, normal, id) {
    const { dims, ids } = this;
    const steps = [1, dims[0], dims[0] * dims[1]];
    const axes = [0, 1, 2].filter((k) => k !== normal);
    const seed = start.map(Math.round);
    const old = ids[this.#index(...seed)];
    const box = { low: [...seed], high: [...seed] };
    const waiting = [this.#index(...seed)];
    const found = this.stroke.indices.length;
    while (waiting.length) {
      const index = waiting.pop();
      if (ids[index] !== old || !this.#change(index, id)) continue;
      if (this.stroke.indices.length - found > MOST_FILLED) {
        this.abandon();
        return null;
      }
      const at = [index % dims[0], Math.floor(index / dims[0]) % dims[1], Math.floor(index / steps[2])];
      for (const k of [0, 1, 2]) {
        box.low[k] = Math.min(box.low[k], at[k]);
        box.high[k] = Math.max(box.high[k], at[k]);
      }
      for (const k of axes) {
        if (at[k] > 0) waiting.push(index - steps[k]);
        if (at[k] < dims[k] - 1) waiting.push(index + steps[k]);
      }
    }
    return this.#touched(box);
  }

  /** Takes back what the present stroke did. */
  abandon() {
    const { indices, before } = this.stroke;
    for (let i = indices.length - 1; i >= 0; i--) this.#set(indices[i], before[i]);
    this.begin();
  }

  /** Undoes the last stroke; the box that changed, or null. */
  undo() {
    return this.#replay(this.undoable, this.redoable, "before");
  }

  redo() {
    return this.#replay(this.redoable, this.undoable, "after");
  }

  /** Takes over another outline; undo brings back what was there. */
  replace(ids) {
    const whole = { low: [0, 0, 0], high: this.dims.map((n) => n - 1) };
    this.begin();
    this.#apply(this.#differences(whole, ids, null, new Set()));
    return this.end();
  }

  /**
   * What would change if a box became what the server makes of it, off what is protected.
   *
   * @param {?number} paints only voxels that are not 0 count, and become this
   */
  proposed(box, ids, paints) {
    return this.#differences(box, ids, paints, this.protected);
  }

  /** Takes a proposal, as a stroke; whether it changed anything. */
  take(box, ids, paints) {
    this.begin();
    this.#apply(this.proposed(box, ids, paints));
    return this.end();
  }

  #differences(box, ids, paints, kept) {
    const found = { indices: [], after: [], box };
    eachRow(box, this.dims, (start, from, width) => {
      for (let x = 0; x < width; x++) {
        const [old, told] = [this.ids[start + x], ids[from + x]];
        const id = paints ? (told ? paints : old) : told;
        if (id === old || kept.has(old) || kept.has(id)) continue;
        found.indices.push(start + x);
        found.after.push(id);
      }
    });
    return found;
  }

  #apply({ indices, after, box }) {
    const { stroke } = this;
    for (let i = 0; i < indices.length; i++) {
      stroke.indices.push(indices[i]);
      stroke.before.push(this.ids[indices[i]]);
      stroke.after.push(after[i]);
      this.#set(indices[i], after[i]);
    }
    this.#touched(box);
  }

  cut(box) {
    return cut(this.ids, this.dims, box);
  }

  millilitres(id) {
    return (this.counts[id] * this.spacing[0] * this.spacing[1] * this.spacing[2]) / 1000;
  }

  at(voxel) {
    return this.#index(...voxel.map(Math.round));
  }

  #replay(from, to, which) {
    if (this.stroke || !from.length) return null;
    const done = from.pop();
    for (let i = 0; i < done.indices.length; i++) this.#set(done.indices[i], done[which][i]);
    to.push(done);
    this.changes = union(this.changes, done.box);
    return done.box;
  }

  #touched(box) {
    this.stroke.box = union(this.stroke.box, box);
    return box;
  }

  #index(x, y, z) {
    return x + this.dims[0] * (y + this.dims[1] * z);
  }

  #change(index, id) {
    const old = this.ids[index];
    if (old === id || this.protected.has(old) || this.protected.has(id)) return false;
    if (id && this.limits) {
      const value = this.intensities[index];
      if (value < this.limits.low || value > this.limits.high) return false;
    }
    this.stroke.indices.push(index);
    this.stroke.before.push(old);
    this.stroke.after.push(id);
    this.#set(index, id);
    return true;
  }

  #set(index, id) {
    this.counts[this.ids[index]]--;
    this.counts[id]++;
    this.ids[index] = id;
  }
}

// Half a voxel at least, so that the smallest brush still paints the voxel under it.
const reachOf = (radius, mm) => Math.max(radius / mm, 0.5);
