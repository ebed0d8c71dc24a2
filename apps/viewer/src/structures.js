/** The structures that are outlined: which one is in hand, which are hidden or locked, which are looked for. */
import { toPlace } from "./tiles.js";

export class Structures {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.active = 0;
    this.hidden = new Set();
    this.locked = new Set();
    this.diameters = new Map(); // of a structure's id: {mm, count}
  }

  get all() {
    return this.viewer.data.labels;
  }

  /** Those of another scan. */
  open() {
    this.hidden.clear();
    this.locked.clear();
    this.diameters.clear();
    this.active = this.all[0]?.id ?? 0;
    this.renewed();
  }

  /** Names, colours, or what is hidden or locked have changed. */
  renewed() {
    const { outline, scene } = this.viewer;
    if (!this.all.some(({ id }) => id === this.active)) this.active = this.all[0]?.id ?? 0;
    outline.protected = new Set([...this.hidden, ...this.locked]);
    scene.colours(this.all, this.hidden);
  }

  choose(index) {
    const { assist, panel } = this.viewer;
    const label = this.all[index];
    if (!label) return;
    this.active = label.id;
    if (assist.isOpen) assist.drop();
    panel.show();
  }

  /** @param {"hidden" | "locked"} which */
  flip(which, id) {
    const set = this[which];
    if (!set.delete(id)) set.add(id);
    this.renewed();
    this.viewer.panel.show();
  }

  /** Whether the one in hand can be painted; if not, it is said why. */
  mayPaint() {
    const { data, look, panel, tool } = this.viewer;
    if (data.readonly) return false;
    const label = this.all.find(({ id }) => id === this.active);
    let why = "";
    if (!look.areShown) why = "Outlines are hidden: press H.";
    else if (!label) why = "Choose a structure first.";
    else if (tool !== "erase" && this.hidden.has(label.id)) why = `${label.name} is hidden.`;
    else if (tool !== "erase" && this.locked.has(label.id)) why = `${label.name} is locked.`;
    if (why) panel.say(why);
    return !why;
  }

  /** What is outlined next: the first one after this that has nothing yet; or nothing. */
  next() {
    const { outline } = this.viewer;
    const from = this.all.findIndex(({ id }) => id === this.active) + 1;
    return this.all.slice(from).find(({ id, name }) => !outline.counts[id] && this.isLookedFor(name)
      && !this.hidden.has(id) && !this.locked.has(id));
  }

  isLookedFor(name) {
    return this.viewer.said.annotated?.includes(name) ?? true;
  }

  /** Where one was not looked for, nothing is learned of it. */
  flipLookedFor(name) {
    const names = this.all.map((label) => label.name);
    const fresh = names.filter((each) => this.isLookedFor(each) !== (each === name));
    this.viewer.said.annotated = fresh.length === names.length ? null : fresh;
    this.viewer.changed();
  }

  colourOf(id) {
    return this.all.find((label) => label.id === id)?.colour ?? "#ffffff";
  }

  /** Of what is painted with. */
  get colour() {
    return this.viewer.tool === "erase" ? "#ffffff" : this.colourOf(this.active);
  }

  /** Shows the longest line of one, on its slice. */
  showLine({ ends, mm, words }, { structure, plane, count }) {
    const { measures, panel, scene } = this.viewer;
    const places = ends.map((voxel) => toPlace(voxel, scene.dims));
    measures.add(plane, places);
    this.diameters.set(structure, { mm, count });
    scene.goTo(places[0].map((part, k) => (part + places[1][k]) / 2));
    panel.say(`${words}.`);
    panel.show();
  }

  /** Millimetres, as long as the structure is what was measured; empty if not. */
  diameterOf(id) {
    const found = this.diameters.get(id);
    return found && found.count === this.viewer.outline.counts[id] ? `⌀ ${found.mm.toFixed(1)} mm` : "";
  }
}
