/** Distances and angles, in millimetres of the patient, drawn on the slice they were taken on, and kept. */

export class Measures {
  constructor(toMillimetres) {
    this.toMillimetres = toMillimetres; // of a place in the volume
    this.all = [];
    this.open = null;
    this.key = null;
  }

  /**
   * Takes up those of a scan again, which this browser has kept; as shares of the volume, they say
   * nothing of whose it is.
   * @param {string} drawer of the browser's store: of one person and scan
   */
  recall(drawer) {
    this.key = `medlib measures ${drawer}`;
    this.open = null;
    try {
      this.all = JSON.parse(localStorage.getItem(this.key)) ?? [];
    } catch {
      this.all = []; // a browser that forbids it forgets them
    }
  }

  #keep() {
    try {
      if (this.all.length) localStorage.setItem(this.key, JSON.stringify(this.all));
      else localStorage.removeItem(this.key);
    } catch { /* they are there as long as the scan is shown */ }
  }

  /** Begins a measure, or sets the next corner of an open angle. */
  press(kind, tile, place) {
    const { open } = this;
    if (open?.kind === "angle" && open.normal === tile.normal) {
      this.follow(place);
      open.set++;
      if (open.set === 2) open.places.push(place);
    } else {
      this.open = { kind, normal: tile.normal, places: [place, place], set: 1 };
    }
  }

  /** The end that is not set yet goes with the pointer. */
  follow(place) {
    if (this.open) this.open.places[this.open.places.length - 1] = place;
  }

  /** Ends a distance where it is let go of, an angle with its third corner. */
  release() {
    const { open } = this;
    if (!open || (open.kind === "angle" && open.set < 3)) return;
    if (this.#length(open.places) > 0.1) this.all.push(open);
    this.open = null;
    this.#keep();
  }

  /** A distance that was measured elsewhere. */
  add(normal, places) {
    this.all.push({ kind: "distance", normal, places, set: 2 });
    this.#keep();
  }

  clear() {
    this.all = [];
    this.open = null;
    this.#keep();
  }

  shown() {
    return this.open ? [...this.all, this.open] : this.all;
  }

  words(measure) {
    const points = measure.places.map(this.toMillimetres);
    if (measure.kind === "distance") return `${this.#length(measure.places).toFixed(1)} mm`;
    if (points.length < 3) return "";
    const [a, b] = [points[0], points[2]].map((end) => end.map((x, k) => x - points[1][k]));
    const dot = a.reduce((sum, x, k) => sum + x * b[k], 0);
    return `${((Math.acos(clamp(dot / Math.hypot(...a) / Math.hypot(...b))) * 180) / Math.PI).toFixed(1)}°`;
  }

  #length(places) {
    const [a, b] = [places[0], places.at(-1)].map(this.toMillimetres);
    return Math.hypot(...a.map((x, k) => x - b[k]));
  }
}

const clamp = (x) => Math.min(1, Math.max(-1, x));
