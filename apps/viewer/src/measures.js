/** Distances and angles, in millimetres of the patient, drawn on the slice they were taken on. */

export class Measures {
  constructor(toMillimetres) {
    this.toMillimetres = toMillimetres; // of a place in the volume
    this.all = [];
    this.open = null;
  }

  /** Begins a measure, or adds the next corner of an open angle. */
  press(kind, tile, place) {
    if (this.open?.kind === "angle" && this.open.normal === tile.normal) {
      this.open.places.push(place);
    } else {
      this.open = { kind, normal: tile.normal, places: [place, place] };
    }
  }

  drag(place) {
    if (this.open) this.open.places[this.open.places.length - 1] = place;
  }

  /** Ends a distance where it is let go of, an angle at its third corner. */
  release() {
    if (!this.open) return;
    const wanted = this.open.kind === "angle" ? 3 : 2;
    if (this.open.places.length < wanted) return;
    if (this.#length(this.open.places) > 0.1) this.all.push(this.open);
    this.open = null;
  }

  clear() {
    this.all.length = 0;
    this.open = null;
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
