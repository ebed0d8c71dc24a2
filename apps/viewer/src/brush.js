/** The brush: how wide it is, whether it paints a disc or a ball, and on which intensities. */

const LARGEST = 40; // mm

export class Brush {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.radius = 4; // mm
    this.isBall = false;
    this.isLimited = false;
    this.limits = [0, 0];
  }

  /** Another scan is shown: what is painted there is limited anew. */
  open({ low, high }) {
    this.limits = [low, high];
    this.isLimited = false;
  }

  setRadius(radius) {
    const { panel, scene } = this.viewer;
    this.radius = Math.min(LARGEST, Math.max(0, radius));
    panel.show();
    scene.draw();
  }

  resize(factor) {
    this.setRadius(factor > 1 ? Math.max(1, this.radius * factor) : this.radius * factor);
  }

  toggleBall() {
    this.isBall = !this.isBall;
    this.viewer.panel.show();
  }

  setLimits(low, high) {
    if (Number.isFinite(low) && Number.isFinite(high)) this.limits = [Math.min(low, high), Math.max(low, high)];
    this.#limit();
  }

  toggleLimits() {
    this.isLimited = !this.isLimited;
    this.#limit();
  }

  #limit() {
    const { outline, panel } = this.viewer;
    const [low, high] = this.limits;
    if (outline) outline.limits = this.isLimited ? { low, high } : null;
    panel.show();
  }
}
