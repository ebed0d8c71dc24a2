/** The slider of slices beside the picture: where one is, which slices are done, which is offered. */
import { element } from "./dom.js";
import { PLANE_NAMES } from "./tiles.js";

const [GROUND, FRAME, DONE, HERE, OFFERED] = ["#1b222c", "#74849a", "#3f9d6d", "#ffffff", "#ffd166"];
const MARGIN = 6;
const STEPS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };

export class Strip {
  constructor(viewer) {
    this.viewer = viewer;
    this.canvas = element("canvas", { class: "strip", title: "Slices: the green ones are done" });
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "slider");
    this.canvas.setAttribute("aria-orientation", "vertical");
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.#go(event);
    });
    this.canvas.addEventListener("pointermove", (event) => event.buttons && this.#go(event));
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  /** What sliders do; the viewer's other keys go on to it. */
  #key(event) {
    const { viewer } = this;
    const { key } = event;
    if (!viewer.isReady || event.ctrlKey || event.metaKey || event.altKey) return;
    const { look } = viewer;
    const last = viewer.scene.dims[look.plane] - 1;
    if (key in STEPS) look.step(STEPS[key]);
    else if (key === "Home" || key === "End") look.goToSlice(look.plane, key === "End" ? last : 0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #go(event) {
    const { viewer } = this;
    if (!viewer.isReady) return;
    const box = this.canvas.getBoundingClientRect();
    const share = 1 - (event.clientY - box.top - MARGIN) / (box.height - 2 * MARGIN);
    viewer.look.goToSlice(viewer.look.plane, Math.floor(share * viewer.scene.dims[viewer.look.plane]));
  }

  draw() {
    const { canvas, viewer } = this;
    const { scene, done, look: { plane } } = viewer;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((n) => Math.round(n * scale));
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const context = canvas.getContext("2d");
    const count = scene.dims[plane];
    const step = (height - 2 * MARGIN * scale) / count;
    const top = (index) => height - MARGIN * scale - (index + 1) * step;
    const bar = (index, left, right, colour, thick = step) => {
      context.fillStyle = colour;
      context.fillRect(left, top(index) + (step - thick) / 2, right - left, thick);
    };
    context.clearRect(0, 0, width, height);
    context.fillStyle = GROUND;
    context.fillRect(0, MARGIN * scale, width, height - 2 * MARGIN * scale);
    for (let index = 0; index < count; index++) {
      if (done.has(2 - plane, index)) bar(index, 0, width, DONE, Math.max(step + 0.5, 1));
    }
    context.strokeStyle = FRAME;
    context.strokeRect(0.5, MARGIN * scale, width - 1, height - 2 * MARGIN * scale);
    const { offered } = done;
    if (offered?.plane === 2 - plane) bar(offered.index, 0, width, OFFERED, Math.max(step, 4 * scale));
    bar(scene.voxel[plane], 0, width, HERE, Math.max(2 * scale, Math.min(step, 4 * scale)));
    canvas.setAttribute("aria-label", `${PLANE_NAMES[2 - plane]} slice`);
    canvas.setAttribute("aria-valuemin", 1);
    canvas.setAttribute("aria-valuemax", count);
    const here = scene.voxel[plane];
    canvas.setAttribute("aria-valuenow", here + 1);
    canvas.setAttribute("aria-valuetext", `${here + 1} of ${count}${done.has(2 - plane, here) ? ", done" : ""}`);
  }
}
