/** How the scan is looked at: through which window, on which slice, in which planes, under which outlines. */
import { VIEWS } from "./scene.js";
import { PLANE_NAMES, toPlace } from "./tiles.js";

const SIDES = [["L", "R"], ["P", "A"], ["S", "I"]]; // towards + and − of x, y and z (LPS)

export class Look {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.opacity = 0.5;
    this.areShown = true;
    this.hasCross = true;
    this.plane = 2; // the axis whose slices the arrow keys turn over
    this.viewIndex = 0;
    this.preset = 0;
    this.where = ""; // the slice that was drawn last
  }

  /** Another scan is shown, in the same way; but nothing of its outline is hidden any more. */
  open() {
    const { scene } = this.viewer;
    this.areShown = true;
    this.preset = 0;
    scene.opacity = this.opacity;
    scene.view(this.viewIndex);
    scene.crosshair(this.hasCross);
  }

  choosePreset(index) {
    const { data, isReady, panel, scene } = this.viewer;
    const window = data.windows[index];
    if (!window || !isReady) return;
    scene.window = [window.low, window.high];
    this.preset = index;
    panel.show();
  }

  setWindow(window) {
    const { panel, scene } = this.viewer;
    scene.window = window;
    if (this.preset !== null) {
      this.preset = null;
      panel.show();
    }
  }

  setOpacity(opacity) {
    const { panel, scene } = this.viewer;
    this.opacity = Math.min(1, Math.max(0, opacity));
    this.areShown = true;
    scene.opacity = this.opacity;
    panel.show();
  }

  fade(by) {
    this.setOpacity(this.opacity + by);
  }

  toggleOutlines() {
    this.areShown = !this.areShown;
    this.viewer.scene.opacity = this.areShown ? this.opacity : 0;
  }

  toggleCross() {
    this.hasCross = !this.hasCross;
    this.viewer.scene.crosshair(this.hasCross);
  }

  step(by) {
    const { isReady, scene } = this.viewer;
    if (isReady) scene.step(this.plane, by);
  }

  goToSlice(normal, index) {
    const { scene } = this.viewer;
    const { voxel, dims } = scene;
    this.plane = normal;
    scene.goTo(toPlace(voxel.with(normal, Math.min(dims[normal] - 1, Math.max(0, index))), dims));
  }

  cyclePlane() {
    const { panel, scene } = this.viewer;
    this.plane = (this.plane + 2) % 3;
    scene.draw();
    panel.show();
  }

  get viewName() {
    return VIEWS[this.viewIndex][0];
  }

  cycleView() {
    const { panel, scene } = this.viewer;
    this.viewIndex = (this.viewIndex + 1) % VIEWS.length;
    scene.view(this.viewIndex);
    panel.show();
  }

  /** Says where the cross is, in the patient and in the scan, and what is there. */
  sayWhere() {
    const { data, outline, panel, scene } = this.viewer;
    const { voxel } = scene;
    this.#turned(voxel);
    const mm = scene.millimetres(voxel);
    const sides = mm.map((value, k) => `${SIDES[k][value >= 0 ? 0 : 1]} ${Math.abs(value).toFixed(1)}`);
    const slice = `${PLANE_NAMES[2 - this.plane]} ${voxel[this.plane] + 1} of ${scene.dims[this.plane]}`;
    const id = outline.ids[outline.at(voxel)];
    const name = data.labels.find((label) => label.id === id)?.name ?? "";
    const value = Number(scene.intensity(voxel).toPrecision(5));
    panel.showPlace(`${sides.join("  ")} mm · ${slice}`, `${value} ${data.units} ${name}`);
  }

  /** Another slice is shown: what is said of it changes too. */
  #turned(voxel) {
    const { panel } = this.viewer;
    const where = `${this.plane} ${voxel[this.plane]}`;
    if (where !== this.where) panel.showSlice();
    this.where = where;
    panel.strip.draw();
  }
}
