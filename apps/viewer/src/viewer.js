/** One viewer: a scan, its outline, and what is done with them. */
import { button } from "./dom.js";
import { Keeper } from "./keeper.js";
import { pressed } from "./keys.js";
import { Measures } from "./measures.js";
import { Outline } from "./outline.js";
import { Overlay } from "./overlay.js";
import { Panel } from "./panel.js";
import { Pointer } from "./pointer.js";
import { Scene, VIEWS } from "./scene.js";
import { PLANE_NAMES, toVoxel } from "./tiles.js";
import { fetchMask, fetchVolume, sendMask } from "./transfer.js";

const SIDES = [["L", "R"], ["P", "A"], ["S", "I"]]; // towards + and − of x, y and z (LPS)

export class Viewer {
  constructor() {
    this.tool = "navigate";
    this.radius = 4; // mm
    this.isBall = false;
    this.isLimited = false;
    this.limits = [0, 0];
    this.opacity = 0.5;
    this.areShown = true;
    this.hasCross = true;
    this.hidden = new Set();
    this.locked = new Set();
    this.plane = 2; // the axis whose slices the arrow keys turn over
    this.viewIndex = 0;
    this.presetShown = 0;
    this.isReady = false;
    this.loading = Promise.resolve();
    this.panel = new Panel(this);
    this.root = this.panel.root;
    this.root.viewer = this; // for whoever looks at it from the console, or tests it
    this.scene = new Scene(this.panel.canvas);
    this.overlay = new Overlay(this.panel.paper);
    this.measures = new Measures((place) => this.scene.millimetres(toVoxel(place, this.scene.dims)));
    this.pointer = new Pointer(this, this.panel.surface);
    this.scene.onDrawn = () => this.#drawn();
    // Streamlit has keys of its own ("r" runs the page again), which are not meant here.
    for (const kind of ["keydown", "keyup", "keypress"]) {
      this.root.addEventListener(kind, (event) => this.#key(event));
    }
    this.leaving = (event) => {
      if (!this.isUnsaved) return;
      this.saveNow();
      event.preventDefault();
    };
    this.hiding = () => document.hidden && this.saveNow();
    window.addEventListener("beforeunload", this.leaving);
    document.addEventListener("visibilitychange", this.hiding);
  }

  /** Takes what the page says now; another scan is loaded, the same one stays as it is. */
  update(data, trigger) {
    const before = this.data;
    this.data = data;
    this.trigger = trigger;
    this.root.style.height = data.height ?? "calc(100vh - 6rem)";
    if (before?.case !== data.case) {
      this.loading = this.loading.then(() => this.#open(data)).catch((error) => this.#failed(error));
      return;
    }
    if (before.link !== data.link && this.keeper?.isBlocked && this.isExpired) this.keeper.resume();
    if (!this.isReady) return;
    if (JSON.stringify(before.labels) !== JSON.stringify(data.labels)) this.#relabel();
    if (data.version > this.keeper.version && this.keeper.isIdle) this.#takeOver({ isAsked: false });
    this.panel.show();
  }

  async #open(data) {
    const { panel, scene } = this;
    this.isReady = false;
    await this.keeper?.flush();
    if (this.keeper?.isUnsaved) throw new Error("the last scan's outline could not be saved yet");
    panel.say("");
    panel.showWait("Reading the scan …");
    if (!this.isAttached) {
      await scene.attach();
      this.isAttached = true;
    }
    const wantsReduced = scene.isSoftware && data.may_reduce;
    const [volume, mask] = await Promise.all([
      fetchVolume(data, wantsReduced), fetchMask(data, wantsReduced),
    ]);
    if (data !== this.data && data.case !== this.data.case) return; // another one was asked for
    this.isReduced = volume.isReduced;
    await scene.show(volume.buffer, [data.windows[0].low, data.windows[0].high]);
    if (mask.ids.length !== scene.ids.length) throw new Error("the outline is not of this scan");
    scene.place(mask.ids);
    this.mask = mask;
    this.outline = new Outline(scene.ids, scene.dims, scene.spacing, scene.intensities);
    this.limits = [data.windows[0].low, data.windows[0].high];
    this.isLimited = false;
    this.presetShown = 0;
    this.measures.clear();
    this.hidden.clear();
    this.locked.clear();
    this.active = data.labels[0]?.id ?? 0;
    this.keeper = new Keeper(mask.version, (base, merges) => this.#send(data, base, merges),
      (state, detail) => this.#told(state, detail));
    this.#relabel();
    scene.opacity = this.opacity;
    scene.view(this.viewIndex);
    scene.crosshair(this.hasCross);
    if (data.focus) scene.goTo(data.focus);
    panel.showState("saved");
    panel.showWait("");
    if (scene.isSoftware) {
      const how = this.isReduced ? "The scan is shown coarser, so that it moves; what you do not "
        + "touch of its outline stays as fine as it was. " : "";
      panel.say(`This browser draws without a graphics card. ${how}3-D is off among the planes; V turns to it.`);
    }
    this.isReady = true;
    panel.show();
  }

  #failed(error) {
    this.panel.showWait("");
    this.panel.say(`This scan cannot be shown: ${error.message}.`,
      button("Try again", "", () => {
        this.panel.say("");
        if (error.status === 401) this.trigger("renew", { case: this.data.case });
        this.loading = this.#open(this.data).catch((again) => this.#failed(again));
      }));
  }

  // --- painting ---------------------------------------------------------------------------

  mayPaint() {
    if (this.data.readonly) return false;
    const label = this.data.labels.find(({ id }) => id === this.active);
    let why = "";
    if (!this.areShown) why = "Outlines are hidden: press H.";
    else if (!label) why = "Choose a structure first.";
    else if (this.tool !== "erase" && this.hidden.has(label.id)) why = `${label.name} is hidden.`;
    else if (this.tool !== "erase" && this.locked.has(label.id)) why = `${label.name} is locked.`;
    if (why) this.panel.say(why);
    return !why;
  }

  fill(voxel, normal, id) {
    const box = this.outline.fill(voxel, this.isBall ? null : normal, id);
    if (box) this.touch(box);
    else this.panel.say("That would fill too much. Close the outline, or set limits of intensity.");
  }

  /** A box of the outline has changed. */
  touch(box) {
    this.scene.refresh(box);
  }

  /** The stroke is over. */
  ended() {
    if (this.outline.end()) this.#changed();
  }

  undo() {
    if (!this.data.readonly && this.outline?.undo()) this.#redrawn();
  }

  redo() {
    if (!this.data.readonly && this.outline?.redo()) this.#redrawn();
  }

  #redrawn() {
    this.scene.refresh();
    this.#changed();
  }

  #changed() {
    this.keeper.changed();
    this.panel.show();
  }

  // --- keeping ----------------------------------------------------------------------------

  get isUnsaved() {
    return Boolean(this.keeper && !this.keeper.isIdle);
  }

  saveNow() {
    return this.keeper?.flush();
  }

  async next() {
    if (!this.data.has_next) return;
    await this.saveNow();
    if (!this.isUnsaved) this.trigger("next", { case: this.data.case });
  }

  /** Asks the page for something that the server does, once all is saved. */
  async act(action) {
    await this.saveNow();
    if (this.isUnsaved) return;
    this.trigger("action", {
      action, case: this.data.case, version: this.keeper.version, structure: this.active,
      voxel: this.scene.voxel, plane: PLANE_NAMES[2 - this.plane],
    });
  }

  #send(opened, base, merges) {
    const link = this.data.case === opened.case ? this.data.link : opened.link;
    const { header } = this.mask;
    const { isReduced } = this;
    return sendMask({ ...opened, link }, { header, ids: this.outline.ids, base, merges, isReduced });
  }

  #told(state, detail) {
    const { panel, keeper } = this;
    panel.showState(state);
    this.isExpired = state === "expired";
    if (state === "saved") {
      if (detail) this.trigger("saved", detail);
      if (this.hasComplained) panel.say("");
      this.hasComplained = false;
      return;
    }
    if (!["conflict", "expired", "failed"].includes(state)) return;
    this.hasComplained = true;
    if (state === "expired") {
      this.trigger("renew", { case: this.data.case });
      panel.say("This page was open for long. If this does not go away, load it again.");
    } else if (state === "failed") {
      panel.say(`Not saved: ${detail.message}. It is kept here, and tried again.`,
        button("Try now", "", () => keeper.resume()));
    } else {
      panel.say("Somebody saved another outline of this scan meanwhile. Both can be kept: yours "
        + "becomes the newest, theirs stays among the older ones.",
      button("Keep mine as the newest", "", () => keeper.resume(detail.newest, detail.aside)),
      button("Load theirs (Undo brings mine back)", "", () => this.#takeOver({ isAsked: true })));
    }
  }

  /** Loads the newest outline from the server; undo brings back what was there. */
  async #takeOver({ isAsked }) {
    const mask = await fetchMask(this.data, this.isReduced);
    // Whoever paints meanwhile goes on; when that is saved, he is asked which one is to count.
    if (this.outline.stroke || !(isAsked || this.keeper.isIdle)) return;
    this.keeper.forget();
    this.mask = mask;
    this.keeper.version = mask.version;
    this.outline.replace(mask.ids);
    this.scene.refresh();
    this.panel.say("");
    this.panel.showState("saved");
    this.panel.show();
  }

  // --- looking ----------------------------------------------------------------------------

  take(tool) {
    if (this.data.readonly && /brush|erase|fill/.test(tool)) return;
    this.tool = tool;
    this.measures.open = null;
    this.panel.show();
    this.scene.draw();
  }

  choose(index) {
    const label = this.data.labels[index];
    if (!label) return;
    this.active = label.id;
    this.panel.show();
  }

  flip(which, id) {
    const set = this[which];
    if (!set.delete(id)) set.add(id);
    this.#relabel();
    this.panel.show();
  }

  #relabel() {
    const { labels } = this.data;
    if (!labels.some(({ id }) => id === this.active)) this.active = labels[0]?.id ?? 0;
    this.outline.protected = new Set([...this.hidden, ...this.locked]);
    this.scene.colours(labels, this.hidden);
  }

  get brushColour() {
    const isErasing = this.tool === "erase";
    return isErasing ? "#ffffff" : this.data.labels.find(({ id }) => id === this.active)?.colour ?? "#fff";
  }

  preset(index) {
    const window = this.data.windows[index];
    if (!window || !this.isReady) return;
    this.scene.window = [window.low, window.high];
    this.presetShown = index;
    this.panel.show();
  }

  setWindow(window) {
    this.scene.window = window;
    if (this.presetShown !== null) {
      this.presetShown = null;
      this.panel.show();
    }
  }

  setRadius(radius) {
    this.radius = Math.min(40, Math.max(0, radius));
    this.panel.show();
    this.scene.draw();
  }

  resize(factor) {
    this.setRadius(factor > 1 ? Math.max(1, this.radius * factor) : this.radius * factor);
  }

  toggleBall() {
    this.isBall = !this.isBall;
    this.panel.show();
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
    const [low, high] = this.limits;
    if (this.outline) this.outline.limits = this.isLimited ? { low, high } : null;
    this.panel.show();
  }

  setOpacity(opacity) {
    this.opacity = Math.min(1, Math.max(0, opacity));
    this.areShown = true;
    this.scene.opacity = this.opacity;
    this.panel.show();
  }

  fade(by) {
    this.setOpacity(this.opacity + by);
  }

  toggleOutlines() {
    this.areShown = !this.areShown;
    this.scene.opacity = this.areShown ? this.opacity : 0;
  }

  toggleCross() {
    this.hasCross = !this.hasCross;
    this.scene.crosshair(this.hasCross);
  }

  step(by) {
    if (this.isReady) this.scene.step(this.plane, by);
  }

  cyclePlane() {
    this.plane = (this.plane + 2) % 3;
    this.scene.draw();
  }

  get viewName() {
    return VIEWS[this.viewIndex][0];
  }

  cycleView() {
    this.viewIndex = (this.viewIndex + 1) % VIEWS.length;
    this.scene.view(this.viewIndex);
    this.panel.show();
  }

  clearMeasures() {
    this.measures.clear();
    this.scene.draw();
  }

  toggleLegend() {
    this.panel.legend.hidden = !this.panel.legend.hidden;
  }

  hovered() {
    this.overlay.draw(this.scene, this.measures, this.pointer.brush);
  }

  #drawn() {
    if (!this.isReady) return;
    const { scene, data } = this;
    this.overlay.draw(scene, this.measures, this.pointer.brush);
    const { voxel } = scene;
    const mm = scene.millimetres(voxel);
    const sides = mm.map((value, k) => `${SIDES[k][value >= 0 ? 0 : 1]} ${Math.abs(value).toFixed(1)}`);
    const slice = `${PLANE_NAMES[2 - this.plane]} ${voxel[this.plane] + 1} of ${scene.dims[this.plane]}`;
    const id = this.outline.ids[this.outline.at(voxel)];
    const name = data.labels.find((label) => label.id === id)?.name ?? "";
    const value = Number(scene.intensity(voxel).toPrecision(5));
    this.panel.showPlace(`${sides.join("  ")} mm · ${slice}`, `${value} ${data.units} ${name}`);
  }

  #key(event) {
    event.stopPropagation();
    if (event.type !== "keydown" || !this.isReady) return;
    const target = event.composedPath()[0];
    if (target.tagName === "INPUT" && (target.type === "number" || event.key.startsWith("Arrow"))) return;
    if (pressed(event, this)) event.preventDefault();
  }

  close() {
    window.removeEventListener("beforeunload", this.leaving);
    document.removeEventListener("visibilitychange", this.hiding);
    this.keeper?.forget();
    if (this.isAttached) this.scene.close();
  }
}
