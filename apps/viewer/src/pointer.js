/** What the mouse, pen and finger do on the picture, by the tool that is in hand. */
import { isInside, toVoxel } from "./tiles.js";

const PAINTING = new Set(["brush", "erase"]);

export class Pointer {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer, surface) {
    this.viewer = viewer;
    this.drag = null;
    this.hover = null;
    surface.addEventListener("pointerdown", (event) => this.#press(event));
    surface.addEventListener("pointermove", (event) => this.#move(event));
    surface.addEventListener("pointerup", () => this.#release());
    surface.addEventListener("pointercancel", () => this.#release());
    surface.addEventListener("pointerleave", () => this.#leave());
    surface.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    surface.addEventListener("contextmenu", (event) => event.preventDefault());
    this.surface = surface;
  }

  #at(event) {
    const { width, height } = this.viewer.scene.canvas;
    const box = this.surface.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * width) / box.width,
      ((event.clientY - box.top) * height) / box.height,
    ];
  }

  /** Pixels of the canvas in one of the page. */
  get #scale() {
    return this.viewer.scene.canvas.width / Math.max(1, this.surface.clientWidth);
  }

  #press(event) {
    const { viewer } = this;
    viewer.root.focus({ preventScroll: true });
    if (!viewer.isReady || this.drag) return;
    const [x, y] = this.#at(event);
    const tile = viewer.scene.tileAt(x, y);
    if (!tile) return;
    event.preventDefault();
    this.surface.setPointerCapture(event.pointerId);
    const start = { tile, last: [x, y], begun: [x, y] };
    if (tile.isRender) this.drag = { ...start, kind: "turn" };
    else if (event.button !== 0) {
      this.drag = { ...start, kind: "window", window: viewer.scene.window };
    } else this.#begin(start, event.shiftKey);
  }

  #begin(start, isShifted) {
    const { viewer } = this;
    const place = start.tile.place(...start.last);
    viewer.look.plane = start.tile.normal;
    if (!isInside(place)) return;
    const { tool } = viewer;
    if (tool === "navigate") {
      this.drag = { ...start, kind: "navigate" };
      viewer.scene.goTo(place);
    } else if (tool === "distance" || tool === "angle") {
      this.drag = { ...start, kind: "measure" };
      viewer.measures.press(tool, start.tile, place);
      viewer.scene.draw();
    } else if (tool === "assist" && !viewer.data.readonly) {
      this.drag = { ...start, kind: "assist", isShifted };
      viewer.assist.press(start.tile, place);
    } else if (tool === "landmark" && !viewer.data.readonly) {
      this.drag = { ...start, kind: "landmark" };
      viewer.landmarks.press(start.tile, place, this.#scale);
    } else if (/brush|erase|fill/.test(tool) && viewer.structures.mayPaint()) {
      const id = tool === "erase" || isShifted ? 0 : viewer.structures.active;
      this.drag = { ...start, kind: "paint", id };
      viewer.outline.begin();
      if (tool === "fill") {
        viewer.fill(toVoxel(place, viewer.scene.dims), start.tile.normal, id);
        this.#release();
      } else this.#paint(place, place);
    }
  }

  #paint(from, to) {
    const { viewer, drag } = this;
    const { dims } = viewer.scene;
    const normal = viewer.brush.isBall ? null : drag.tile.normal;
    const voxels = [from, to].map((place) => toVoxel(place, dims));
    viewer.touch(viewer.outline.brush(...voxels, viewer.brush.radius, normal, drag.id));
  }

  #move(event) {
    const { viewer, drag } = this;
    if (!viewer.isReady) return;
    // A quick hand moves further than a frame: all places in between are painted.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.#follow(...this.#at(each));
    const [x, y] = this.#at(event);
    const tile = drag?.tile ?? viewer.scene.tileAt(x, y);
    this.hover = tile && !tile.isRender ? { tile, x, y } : null;
    const { open } = viewer.measures;
    if (!drag && this.hover && open?.normal === tile.normal) viewer.measures.follow(tile.place(x, y));
    viewer.hovered(this.hover);
  }

  #follow(x, y) {
    const { viewer, drag } = this;
    if (!drag) return;
    const [dx, dy] = [x - drag.last[0], y - drag.last[1]];
    if (drag.kind === "turn") viewer.scene.turn(dx * 0.5, dy * 0.5);
    else if (drag.kind === "window") this.#rewindow(x - drag.begun[0], y - drag.begun[1]);
    else {
      const [from, to] = [drag.tile.place(...drag.last), drag.tile.place(x, y)];
      if (drag.kind === "navigate") viewer.scene.goTo(to);
      else if (drag.kind === "paint") this.#paint(from, to);
      else if (drag.kind === "assist") viewer.assist.follow(to);
      else if (drag.kind === "landmark") viewer.landmarks.follow(to);
      else if (isInside(to)) {
        viewer.measures.follow(to);
        viewer.scene.draw();
      }
    }
    drag.last = [x, y];
  }

  #rewindow(dx, dy) {
    const [low, high] = this.drag.window;
    const width = (high - low) * Math.exp(dx / 300);
    const middle = (low + high) / 2 - ((high - low) * dy) / 300;
    this.viewer.look.setWindow([middle - width / 2, middle + width / 2]);
  }

  #release() {
    const { viewer, drag } = this;
    this.drag = null;
    if (drag?.kind === "paint") viewer.ended();
    if (drag?.kind === "assist") viewer.assist.release(drag.isShifted);
    if (drag?.kind === "landmark") viewer.landmarks.release();
    if (drag?.kind === "measure") {
      viewer.measures.release();
      viewer.scene.draw();
    }
  }

  #leave() {
    this.hover = null;
    this.viewer.hovered(null);
  }

  #wheel(event) {
    const { viewer } = this;
    // A page that is being scrolled past must not turn over slices.
    if (!viewer.isReady || !viewer.root.matches(":focus-within, :focus")) return;
    const tile = viewer.scene.tileAt(...this.#at(event));
    if (!tile) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) viewer.scene.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    else if (!tile.isRender) {
      viewer.look.plane = tile.normal;
      viewer.scene.step(tile.normal, event.deltaY < 0 ? 1 : -1);
    }
  }

  /** The brush's rim, where there is one to be drawn. */
  get brush() {
    const { viewer, hover } = this;
    if (!hover || !PAINTING.has(viewer.tool)) return null;
    return { ...hover, radius: viewer.brush.radius, colour: viewer.structures.colour };
  }
}
