/** One viewer: a scan, its outline, and what is done with them. */
import { Assist } from "./assist.js";
import { spread } from "./boxes.js";
import { button } from "./dom.js";
import { Done } from "./done.js";
import { Drawing } from "./drawing.js";
import { Entries } from "./entries.js";
import { isOfPage, pressed } from "./keys.js";
import { Landmarks } from "./landmarks.js";
import { Measures } from "./measures.js";
import { Outline } from "./outline.js";
import { Overlay } from "./overlay.js";
import { Panel } from "./panel.js";
import { Pointer } from "./pointer.js";
import { Saving } from "./saving.js";
import { Scene, VIEWS } from "./scene.js";
import { PLANE_NAMES, toPlace, toVoxel } from "./tiles.js";
import { fetchEntries, fetchOutline, fetchVolume } from "./transfer.js";

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
    this.assist = new Assist(this);
    this.landmarks = new Landmarks(this);
    this.diameters = new Map(); // of a structure's id: {mm, count}
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
    if (before.link !== data.link) this.saving?.renewed();
    if (!this.isReady) return;
    if (JSON.stringify(before.labels) !== JSON.stringify(data.labels)) this.#relabel();
    if (data.version > this.keeper.version && this.keeper.isIdle) this.takeOver("mask", { isAsked: false });
    for (const [what, version] of Object.entries(data.newest)) {
      const entries = this[what];
      if (entries && version > entries.line.keeper.version && entries.line.keeper.isIdle) entries.takeOver();
    }
    this.panel.show();
  }

  /** Saves the outline. */
  get keeper() {
    return this.drawing.line.keeper;
  }

  async #open(data) {
    const { panel, scene } = this;
    this.isReady = false;
    await this.saving?.flush();
    if (this.isUnsaved) throw new Error("what was said of the last scan could not be saved yet");
    panel.say("");
    panel.showWait("Reading the scan …");
    if (!this.isAttached) {
      await scene.attach();
      this.isAttached = true;
    }
    const wantsReduced = scene.isSoftware && data.may_reduce;
    const ask = (what, isAsked) => (isAsked.length ? fetchEntries(data, what) : null);
    const [volume, outline, answers, points] = await Promise.all([
      fetchVolume(data, wantsReduced), fetchOutline(data, wantsReduced),
      ask("answers", data.questions), ask("points", data.landmarks),
    ]);
    if (data !== this.data && data.case !== this.data.case) return; // another one was asked for
    this.isReduced = volume.isReduced;
    await scene.show(volume.buffer, [data.windows[0].low, data.windows[0].high]);
    if (outline.box?.high.some((n, k) => n >= scene.dims[k])) throw new Error("the outline is not of this scan");
    scene.place(spread(outline.box, outline.ids, scene.dims));
    this.outline = new Outline(scene.ids, scene.dims, scene.spacing, scene.intensities);
    this.limits = [data.windows[0].low, data.windows[0].high];
    this.isLimited = false;
    this.presetShown = 0;
    this.measures.recall(outline.drawer);
    this.hidden.clear();
    this.locked.clear();
    if (data.readonly) this.tool = "navigate"; // a brush in hand would promise too much
    this.active = data.labels[0]?.id ?? 0;
    this.diameters.clear();
    this.saving = new Saving(this, data, outline.drawer);
    this.#hear(outline);
    this.drawing = new Drawing(this, this.saving, outline.version);
    const show = () => {
      panel.show();
      scene.draw();
    };
    this.answers = answers && new Entries("answers", this.saving, answers, show);
    this.points = points && new Entries("points", this.saving, points, show);
    this.landmarks.open(this.points);
    this.assist.drop();
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
    if (data.notice) panel.say(data.notice);
    this.isReady = true;
    panel.show();
    this.saving.offer();
  }

  /** Takes over what the server says of an outline. */
  #hear({ said: { seen, ...said } }) {
    this.said = said; // goes back with the outline
    this.done = new Done(seen);
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
    if (this.data.readonly || this.assist.undo()) return;
    this.redrawn(this.outline?.undo());
  }

  redo() {
    if (!this.data.readonly) this.redrawn(this.outline?.redo());
  }

  /** Something else than a stroke changed a box of the outline. */
  redrawn(box) {
    if (!box) return;
    this.scene.refresh(box);
    this.#changed();
  }

  #changed() {
    this.drawing.line.changed();
    this.panel.show();
    this.panel.strip.draw();
  }

  sliceDone() {
    if (this.data.readonly || !this.data.labels.length) return;
    if (this.done.whole) return this.panel.say("The whole scan is done: press W if it is not.");
    this.done.flip(2 - this.plane, this.scene.voxel[this.plane]);
    this.#changed();
  }

  scanDone() {
    if (this.data.readonly || !this.data.labels.length) return;
    this.done.whole = !this.done.whole;
    this.#changed();
  }

  /** The whole scan is done; the next one is shown, where one waits. */
  async finish() {
    if (!this.isReady) return;
    if (this.assist.isOpen) return this.panel.say("Take what the machine proposes first (↵), or drop it (Esc).");
    if (!this.done.whole) this.scanDone();
    await this.next();
  }

  /** What is outlined next: the first structure after this one that has nothing yet; or nothing. */
  nextStructure() {
    const { labels } = this.data;
    const from = labels.findIndex(({ id }) => id === this.active) + 1;
    return labels.slice(from).find(({ id, name }) => !this.outline.counts[id] && this.isLookedFor(name)
      && !this.hidden.has(id) && !this.locked.has(id));
  }

  isLookedFor(name) {
    return this.said.annotated?.includes(name) ?? true;
  }

  lookedFor(name) {
    const names = this.data.labels.map((label) => label.name);
    const fresh = names.filter((each) => this.isLookedFor(each) !== (each === name));
    this.said.annotated = fresh.length === names.length ? null : fresh;
    this.#changed();
  }

  // --- keeping ----------------------------------------------------------------------------

  get isUnsaved() {
    return Boolean(this.saving?.isUnsaved);
  }

  saveNow() {
    return this.saving?.flush();
  }

  async next() {
    await this.saveNow();
    if (this.isUnsaved) return;
    if (!this.data.has_next) this.panel.say("No other scan waits, in the worklist as it is filtered.");
    else this.trigger("next", { case: this.data.case });
  }

  /** Loads the server's newest; undo brings back what was drawn here. */
  async takeOver(what, { isAsked } = { isAsked: true }) {
    if (what !== "mask") return (what === "answers" ? this.answers : this.points).takeOver();
    const fresh = await fetchOutline(this.data, this.isReduced);
    // Whoever paints meanwhile goes on; when that is saved, he is asked which one is to count.
    if (this.outline.stroke || !(isAsked || this.keeper.isIdle)) return;
    this.#hear(fresh);
    Object.assign(this.drawing, { said: this.said, done: this.done });
    this.outline.replace(spread(fresh.box, fresh.ids, this.scene.dims));
    this.drawing.renewed(fresh.version);
    this.scene.refresh();
    this.panel.say("");
    this.panel.showState("saved");
    this.panel.show();
  }

  // --- looking ----------------------------------------------------------------------------

  take(tool) {
    if (this.data.readonly && /brush|erase|fill|assist|landmark/.test(tool)) return;
    if (tool === "landmark" && !this.data.landmarks.length) return;
    this.tool = tool;
    this.measures.open = null;
    this.panel.show();
    this.scene.draw();
  }

  choose(index) {
    const label = this.data.labels[index];
    if (!label) return;
    this.active = label.id;
    if (this.assist.isOpen) this.assist.drop();
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
    return isErasing ? "#ffffff" : this.colourOf(this.active);
  }

  colourOf(id) {
    return this.data.labels.find((label) => label.id === id)?.colour ?? "#ffffff";
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

  goToSlice(normal, index) {
    const { voxel, dims } = this.scene;
    this.plane = normal;
    this.scene.goTo(toPlace(voxel.with(normal, Math.min(dims[normal] - 1, Math.max(0, index))), dims));
  }

  cyclePlane() {
    this.plane = (this.plane + 2) % 3;
    this.scene.draw();
    this.panel.show();
  }

  get viewName() {
    return VIEWS[this.viewIndex][0];
  }

  cycleView() {
    this.viewIndex = (this.viewIndex + 1) % VIEWS.length;
    this.scene.view(this.viewIndex);
    this.panel.show();
  }

  /** Shows the longest line of the structure in hand, on its slice. */
  showLine({ ends, mm, words }) {
    const { scene, outline, active } = this;
    const places = ends.map((voxel) => toPlace(voxel, scene.dims));
    this.measures.add(this.plane, places);
    this.diameters.set(active, { mm, count: outline.counts[active] });
    scene.goTo(places[0].map((part, k) => (part + places[1][k]) / 2));
    this.panel.say(`${words}.`);
    this.panel.show();
  }

  /** Millimetres, as long as the structure is what was measured; empty if not. */
  diameterOf(id) {
    const found = this.diameters.get(id);
    return found && found.count === this.outline.counts[id] ? `⌀ ${found.mm.toFixed(1)} mm` : "";
  }

  /** They cannot be brought back, so it is asked first. */
  clearMeasures() {
    const { panel, measures, scene } = this;
    const count = measures.shown().length;
    if (!count) return;
    const answered = () => panel.say("");
    panel.say(count === 1 ? "Remove the measure of this scan?" : `Remove all ${count} measures of this scan?`,
      button("Remove", "", () => {
        measures.clear();
        scene.draw();
        answered();
      }),
      button("Keep", "", answered));
  }

  toggleLegend() {
    this.panel.toggleLegend();
  }

  hovered() {
    this.overlay.draw(this.scene, this.measures, this.pointer.brush, [this.assist, this.landmarks]);
  }

  #drawn() {
    if (!this.isReady) return;
    const { scene, data } = this;
    this.hovered();
    const { voxel } = scene;
    this.#turned(voxel);
    const mm = scene.millimetres(voxel);
    const sides = mm.map((value, k) => `${SIDES[k][value >= 0 ? 0 : 1]} ${Math.abs(value).toFixed(1)}`);
    const slice = `${PLANE_NAMES[2 - this.plane]} ${voxel[this.plane] + 1} of ${scene.dims[this.plane]}`;
    const id = this.outline.ids[this.outline.at(voxel)];
    const name = data.labels.find((label) => label.id === id)?.name ?? "";
    const value = Number(scene.intensity(voxel).toPrecision(5));
    this.panel.showPlace(`${sides.join("  ")} mm · ${slice}`, `${value} ${data.units} ${name}`);
  }

  /** Another slice is shown: what is said of it changes too. */
  #turned(voxel) {
    const where = `${this.plane} ${voxel[this.plane]}`;
    if (where !== this.where) this.panel.showSlice();
    this.where = where;
    this.panel.strip.draw();
  }

  #key(event) {
    const target = event.composedPath()[0];
    const isTyped = target.tagName === "INPUT" && target.type !== "range";
    if (!isTyped && isOfPage(event, this.data?.page_keys ?? "")) return; // goes on to the page
    event.stopPropagation();
    if (event.type !== "keydown" || !this.isReady) return;
    if (target.tagName === "INPUT" && (target.type === "number" || event.key.startsWith("Arrow"))) return;
    if (pressed(event, this)) event.preventDefault();
  }

  close() {
    window.removeEventListener("beforeunload", this.leaving);
    document.removeEventListener("visibilitychange", this.hiding);
    this.saving?.forget();
    if (this.isAttached) this.scene.close();
  }
}
