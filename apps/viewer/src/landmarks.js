/** Named places in the patient: put by a click, moved by dragging; LPS millimetres. */
import { button, element, press } from "./dom.js";
import { toPlace } from "./tiles.js";

const INK = "#ff9de2";
const NEAR = 12; // pixels of the page within which a landmark is taken hold of
const DEEP = 3; // slices on either side on which it shows faintly

export class Landmarks {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.points = null; // Entries, once they are there
    this.active = null;
    this.held = null;
  }

  get names() {
    return this.viewer.data.landmarks ?? [];
  }

  open(points) {
    this.points = points;
    this.held = null;
    this.active = this.#unplaced() ?? this.names[0] ?? null;
  }

  #unplaced() {
    return this.names.find((name) => !this.points?.values[name]);
  }

  #place(name) {
    const mm = this.points?.values[name];
    return mm && toPlace(this.viewer.scene.voxelAt(mm), this.viewer.scene.dims);
  }

  press(tile, place, scale) {
    if (!this.points) return;
    const [x, y] = tile.position(place);
    const isNear = (name) => {
      const own = this.#place(name);
      if (!own || this.#away(tile, own) > 0.5) return false;
      const [a, b] = tile.position(own);
      return Math.hypot(a - x, b - y) < NEAR * scale;
    };
    this.held = this.names.find(isNear) ?? this.active;
    this.follow(place);
  }

  follow(place) {
    if (this.held) this.moving = place;
    this.viewer.scene.draw();
  }

  release() {
    const { held, moving, viewer } = this;
    this.held = this.moving = null;
    if (!held || !moving || !moving.every((part) => part >= 0 && part <= 1)) return;
    const voxel = moving.map((part, k) => part * viewer.scene.dims[k] - 0.5);
    this.points.set(held, viewer.scene.millimetres(voxel).map((mm) => Number(mm.toFixed(3))));
    this.active = this.#unplaced() ?? held;
    viewer.panel.show();
    viewer.scene.draw();
  }

  /** Slices between the picture and a place. */
  #away(tile, place) {
    const { dims, voxel } = this.viewer.scene;
    return Math.abs(place[tile.normal] * dims[tile.normal] - 0.5 - voxel[tile.normal]);
  }

  draw(overlay, tile, scene, scale) {
    const { context } = overlay;
    for (const name of this.names) {
      const place = name === this.held ? this.moving : this.#place(name);
      const away = place && this.#away(tile, place);
      if (!place || away > DEEP) continue;
      const [x, y] = tile.position(place);
      context.globalAlpha = away <= 0.5 ? 1 : 0.45;
      for (const [colour, width] of [["#000000", 4 * scale], [INK, 2 * scale]]) {
        overlay.stroke(colour, width, () => {
          context.moveTo(x - 9 * scale, y);
          context.lineTo(x + 9 * scale, y);
          context.moveTo(x, y - 9 * scale);
          context.lineTo(x, y + 9 * scale);
        });
      }
      if (away <= 0.5) overlay.words(name, tile, [x, y], INK, scale);
      context.globalAlpha = 1;
    }
  }

  /** @returns {HTMLElement[]} a row for each landmark */
  rows(isReadonly) {
    const { viewer, points } = this;
    return this.names.map((name) => {
      const isPlaced = Boolean(points?.values[name]);
      const chosen = button("", isPlaced ? "Go there; drag it to move it" : "Click on the scan to place it", () => {
        this.active = name;
        const place = this.#place(name);
        if (place) viewer.scene.goTo(place);
        viewer.take("landmark");
      }, { class: "name" });
      chosen.replaceChildren(element("span", { class: "placed" }, isPlaced ? "✓" : "○"), element("span", {}, name));
      press(chosen, this.active === name && viewer.tool === "landmark");
      const remove = button("✕", `Remove: ${name}`, () => points.set(name, undefined),
        { class: "small", disabled: isReadonly || !isPlaced });
      remove.setAttribute("aria-label", `Remove: ${name}`);
      return element("div", { class: "landmark" }, chosen, remove);
    });
  }
}
