/**
 * What lies over the picture: the cross, the patient's sides, the brush's rim, measures, and what
 * else draws itself there: `draw(overlay, tile, scene, scale)`.
 */
import { toVoxel } from "./tiles.js";

const RIM = "#000000";
const INK = "#FFE27A";
const LETTER = "#FFFFFF";
const CROSS = "#8CD9FF";
const ENDS = [["R", "L"], ["A", "P"], ["S", "I"]]; // of the volume's axes: towards + and −

export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  draw(scene, measures, brush, others) {
    const { canvas, context } = this;
    [canvas.width, canvas.height] = [scene.canvas.width, scene.canvas.height];
    const scale = scene.canvas.width / Math.max(1, scene.canvas.clientWidth);
    for (const tile of scene.tiles) {
      if (tile.isRender) continue;
      context.save();
      context.beginPath();
      context.rect(tile.left, tile.top, tile.width, tile.height);
      context.clip();
      for (const other of others) other.draw(this, tile, scene, scale);
      if (scene.hasCross) this.#cross(tile, scene, scale);
      if (brush?.tile.plane === tile.plane) this.#rim(tile, scene, brush);
      const slice = scene.voxel[tile.normal];
      for (const measure of measures.shown()) {
        const own = toVoxel(measure.places[0], scene.dims)[tile.normal];
        if (measure.normal === tile.normal && Math.round(own) === slice) {
          this.#measure(tile, measure, measures.words(measure), scale);
        }
      }
      this.#letters(tile, scale);
      context.restore();
    }
  }

  /** The patient's sides, by where the plane's own axes lead: they cannot contradict the picture. */
  #letters(tile, scale) {
    const { context } = this;
    const inset = 16 * scale;
    const ends = (axis, step) => (step > 0 ? ENDS[axis] : ENDS[axis].toReversed());
    const [right, left] = ends(tile.u, tile.across[tile.u]);
    const [bottom, top] = ends(tile.v, tile.along[tile.v]);
    const [x, y] = [tile.left + tile.width / 2, tile.top + tile.height / 2];
    const places = [
      [left, tile.left + inset, y], [right, tile.left + tile.width - inset, y],
      [top, x, tile.top + inset], [bottom, x, tile.top + tile.height - inset],
    ];
    context.font = `700 ${18 * scale}px system-ui, sans-serif`;
    [context.textAlign, context.textBaseline] = ["center", "middle"];
    for (const [letter, at, height] of places) {
      context.fillStyle = RIM;
      context.beginPath();
      context.roundRect(at - 12 * scale, height - 12 * scale, 24 * scale, 24 * scale, 5 * scale);
      context.fill();
      context.fillStyle = LETTER;
      context.fillText(letter, at, height + scale);
    }
    [context.textAlign, context.textBaseline] = ["start", "alphabetic"];
  }

  #cross(tile, scene, scale) {
    const [x, y] = tile.position(scene.place3d).map((at) => Math.round(at) + 0.5);
    const gap = 9 * scale;
    const lines = [
      [tile.left, y, x - gap, y], [x + gap, y, tile.left + tile.width, y],
      [x, tile.top, x, y - gap], [x, y + gap, x, tile.top + tile.height],
    ];
    this.stroke(CROSS, scale, () => {
      for (const [fromX, fromY, toX, toY] of lines) {
        this.context.moveTo(fromX, fromY);
        this.context.lineTo(toX, toY);
      }
    });
  }

  #rim(tile, scene, { x, y, radius, colour }) {
    const [across, along] = tile.pixels(scene.dims);
    const reach = (axis, pixels) => pixels * Math.max(radius / scene.spacing[axis], 0.5);
    for (const [style, width] of [[RIM, 3], [colour, 1.5]]) {
      this.stroke(style, width, () =>
        this.context.ellipse(x, y, reach(tile.u, across), reach(tile.v, along), 0, 0, 2 * Math.PI),
      );
    }
  }

  #measure(tile, measure, words, scale) {
    const { context } = this;
    const points = measure.places.map((place) => tile.position(place));
    for (const [style, width] of [[RIM, 4 * scale], [INK, 2 * scale]]) {
      this.stroke(style, width, () =>
        points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y))),
      );
      for (const [x, y] of points) {
        this.stroke(style, width, () => context.arc(x, y, 3 * scale, 0, 2 * Math.PI));
      }
    }
    const [x, y] = points.length > 2 ? points[1] : points.at(-1);
    this.words(words, tile, [x, y], INK, scale);
  }

  /** Text beside a point of a plane, that can be read on any ground and stays within the plane. */
  words(text, tile, [left, top], colour, scale) {
    const { context } = this;
    context.font = `600 ${15 * scale}px system-ui, sans-serif`;
    const most = tile.left + tile.width - context.measureText(text).width - 4 * scale;
    const x = Math.max(tile.left + 4 * scale, Math.min(left + 10 * scale, most));
    const y = Math.max(tile.top + 18 * scale, top - 8 * scale);
    context.lineWidth = 4 * scale;
    context.strokeStyle = RIM;
    context.fillStyle = colour;
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }

  stroke(style, width, path) {
    this.context.beginPath();
    path();
    this.context.strokeStyle = style;
    this.context.lineWidth = width;
    this.context.stroke();
  }
}
