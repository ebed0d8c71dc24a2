/** One viewer: a scan, its outline, and what is done with them. */
import { Assist } from "./assist.js";
import { spread } from "./boxes.js";
import { Brush } from "./brush.js";
import { button } from "./dom.js";
import { Done } from "./done.js";
import { Drawing } from "./drawing.js";
import { Entries } from "./entries.js";
import { isOfPage, pressed } from "./keys.js";
import { Landmarks } from "./landmarks.js";
import { Look } from "./look.js";
import { Measures } from "./measures.js";
import { Outline } from "./outline.js";
import { Overlay } from "./overlay.js";
import { Panel } from "./panel.js";
import { Pointer } from "./pointer.js";
import { Saving } from "./saving.js";
import { Scene } from "./scene.js";
import { Structures } from "./structures.js";
import { toVoxel } from "./tiles.js";
import { fetchEntries, fetchOutline, fetchVolume } from "./transfer.js";

export class Viewer {
  constructor() {
    this.tool = "navigate";
    this.isReady = false;
    this.loading = Promise.resolve();
    this.look = new Look(this);
    this.structures = new Structures(this);
    this.brush = new Brush(this);
    this.assist = new Assist(this);
    this.landmarks = new Landmarks(this);
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
    if (JSON.stringify(before.labels) !== JSON.stringify(data.labels)) this.structures.renewed();
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
    this.brush.open(data.windows[0]);
    this.measures.recall(outline.drawer);
    if (data.readonly) this.tool = "navigate"; // a brush in hand would promise too much
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
    this.structures.open();
    this.look.open();
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

  fill(voxel, normal, id) {
    const box = this.outline.fill(voxel, this.brush.isBall ? null : normal, id);
    if (box) this.touch(box);
    else this.panel.say("That would fill too much. Close the outline, or set limits of intensity.");
  }

  /** A box of the outline has changed. */
  touch(box) {
    this.scene.refresh(box);
  }

  /** The stroke is over. */
  ended() {
    if (this.outline.end()) this.changed();
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
    this.changed();
  }

  /** The outline, or what is said of it, has changed. */
  changed() {
    this.drawing.line.changed();
    this.panel.show();
    this.panel.strip.draw();
  }

  sliceDone() {
    if (this.data.readonly || !this.data.labels.length) return;
    if (this.done.whole) return this.panel.say("The whole scan is done: press W if it is not.");
    this.done.flip(2 - this.look.plane, this.scene.voxel[this.look.plane]);
    this.changed();
  }

  scanDone() {
    if (this.data.readonly || !this.data.labels.length) return;
    this.done.whole = !this.done.whole;
    this.changed();
  }

  /** The whole scan is done; the next one is shown, where one waits. */
  async finish() {
    if (!this.isReady) return;
    if (this.assist.isOpen) return this.panel.say("Take what the machine proposes first (↵), or drop it (Esc).");
    if (!this.done.whole) this.scanDone();
    await this.next();
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
    const { drawing, outline, saving } = this;
    const fresh = await fetchOutline(saving.data, this.isReduced);
    if (this.outline !== outline) return; // another scan is in hand meanwhile, and this is not its outline
    // Whoever paints meanwhile goes on; when that is saved, he is asked which one is to count.
    if (outline.stroke || !(isAsked || this.keeper.isIdle)) return;
    this.#hear(fresh);
    Object.assign(drawing, { said: this.said, done: this.done });
    outline.replace(spread(fresh.box, fresh.ids, this.scene.dims));
    drawing.renewed(fresh.version);
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
    this.hovered();
    this.look.sayWhere();
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
