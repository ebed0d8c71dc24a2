/** Help by the machine: boxes and clicks, filling, growing, tidying; a proposal until it is taken. */
import { union } from "./boxes.js";
import { Proposal } from "./proposal.js";
import { toVoxel } from "./tiles.js";
import { assist, gridOf, packed } from "./transfer.js";

export const HELPS = [
  ["model", "Model's outline", "U", "Start from what the trained model found"],
  ["between", "Fill between slices", "I", "On the slices between those that you drew"],
  ["grow", "Grow from scribbles", "G", "As far as the structure's edges in the picture"],
  ["smooth", "Smooth", "", "Round off what is finer than 3 mm"],
  ["largest", "Keep the largest piece", "", "The other pieces go"],
  ["holes", "Fill holes", "", "What it encloses on all sides"],
  ["islands", "Remove crumbs", "", "Pieces smaller than 0.1 ml"],
];
const INSIDE = "#7dff9c";
const OUTSIDE = "#ff8d8d";
const BOX = "#ffd166";

export class Assist {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.isOut = false; // whether plain clicks say "not this"
    this.#clear();
  }

  #clear() {
    this.clicks = []; // {voxel, isOut}
    this.box = null; // [voxel, voxel]
    this.guessed = null; // the axis along which nobody said how far the box goes
    this.rubber = null; // {tile, from, to}: places, while it is drawn
    this.structure = 0;
    this.proposal = null;
    this.round = (this.round ?? 0) + 1; // answers to earlier ones come too late
  }

  get isOpen() {
    return Boolean(this.proposal || this.clicks.length || this.box);
  }

  /** What to do next. */
  get hint() {
    if (!this.isOpen) return "Drag a box around it, or click on it.";
    if (this.box && this.guessed !== null) {
      return "Drag a box in another plane too: how deep it is was guessed.";
    }
    if (this.middle) return "Click on it, if the box's middle is not on it: that was guessed.";
    return "Click on what is missing, or too much.";
  }

  /** Where the structure is taken to be, as long as nobody has clicked on it. */
  get middle() {
    if (!this.box || this.clicks.some(({ isOut }) => !isOut)) return null;
    return this.box[0].map((n, k) => Math.round((n + this.box[1][k]) / 2));
  }

  // --- boxes and clicks --------------------------------------------------------------------

  press(tile, place) {
    this.rubber = { tile, from: place, to: place };
  }

  follow(place) {
    if (this.rubber) this.rubber.to = place.map((part) => Math.min(1, Math.max(0, part)));
    this.viewer.scene.draw();
  }

  /** A box where it was dragged, a click where not. */
  release(isShifted) {
    const { rubber, viewer } = this;
    const { dims, spacing } = viewer.scene;
    this.rubber = null;
    if (!rubber || !viewer.structures.mayPaint()) return;
    if (this.structure !== viewer.structures.active) this.#clear();
    this.structure = viewer.structures.active;
    const [from, to] = [rubber.from, rubber.to].map((place) => toVoxel(place, dims));
    const { u, v, normal } = rubber.tile;
    const sides = [u, v].map((k) => Math.abs(to[k] - from[k]) * spacing[k]);
    if (Math.min(...sides) > 4) {
      const isSecond = this.box && this.guessed !== null && this.guessed !== normal;
      const middle = Math.round(from[normal]);
      // Half as deep again as it is wide, about its slice, until it is drawn in another plane too.
      const half = (3 * (sides[0] + sides[1])) / 8 / spacing[normal];
      const ends = isSecond ? this.box.map((corner) => corner[normal]) : [middle - half, middle + half];
      this.box = [from.with(normal, ends[0]), to.with(normal, ends[1])]
        .map((corner) => corner.map((n, k) => Math.min(dims[k] - 1, Math.max(0, n))));
      this.guessed = isSecond ? null : normal;
      if (!isSecond) this.clicks = [];
    } else {
      this.clicks.push({ voxel: from.map(Math.round), isOut: this.isOut !== isShifted });
    }
    this.#outline();
  }

  #outline() {
    const at = (isOut) => this.clicks.filter((click) => click.isOut === isOut).map(({ voxel }) => voxel);
    const { box, middle } = this;
    const inside = middle ? [middle] : at(false);
    return this.#ask("click", { inside, outside: at(true), ...(box ? { box } : {}) });
  }

  /** Takes back the last click; whether there was one. */
  undo() {
    if (!this.isOpen) return false;
    if (!this.clicks.length || (this.clicks.length === 1 && !this.box)) this.drop();
    else {
      this.clicks.pop();
      this.#outline();
    }
    return true;
  }

  // --- asking --------------------------------------------------------------------------------

  /** Asks for one of `HELPS`. */
  help(action) {
    const { viewer } = this;
    if (viewer.data.readonly || !viewer.isReady) return;
    this.#clear();
    this.structure = viewer.structures.active;
    this.#ask(action, { axis: 2 - viewer.look.plane });
  }

  /** The longest line of the structure in hand, as a measure. */
  async line() {
    const { viewer } = this;
    const { structures: { active: structure }, look: { plane }, outline } = viewer;
    const count = outline.counts[structure]; // what is painted meanwhile was not measured
    const answer = await this.#answer("line", { axis: 2 - plane });
    if (answer) viewer.structures.showLine(answer.said, { structure, plane, count });
  }

  /** Goes to the slice that is best drawn next. */
  async next() {
    const { viewer } = this;
    const answer = await this.#answer("next", { axis: 2 - viewer.look.plane });
    if (!answer) return;
    const { axis, slice, words } = answer.said;
    viewer.done.offered = { plane: axis, index: slice };
    viewer.look.goToSlice(2 - axis, slice);
    viewer.panel.say(`Slice ${slice + 1} is offered next: ${words}.`);
  }

  async #ask(action, more) {
    const { viewer } = this;
    const round = ++this.round;
    viewer.panel.show();
    const answer = await this.#answer(action, more);
    if (round !== this.round || !this.structure) return;
    if (!answer) {
      // What was refused shows nothing; clicks stay, so that the last can be taken back.
      this.proposal = null;
    } else {
      this.proposal = new Proposal(answer, viewer.outline, (id) => viewer.structures.colourOf(id));
      if (this.proposal.isEmpty) {
        this.proposal = null;
        viewer.panel.say("Nothing would change. What is locked or hidden stays as it is.");
      } else viewer.panel.say("");
    }
    viewer.panel.show();
    viewer.scene.draw();
  }

  /** What the server says; null where it refuses, which is shown, and where another scan is in hand now. */
  async #answer(action, more) {
    const { viewer } = this;
    const { outline, drawing, done, data, isReduced } = viewer;
    const isOwn = ["click", "next"].includes(action); // needs no outline
    const box = isOwn ? null : union(drawing.sending, outline.changes);
    const said = { scan: viewer.said.scan, action, structure: viewer.structures.active, done: done.pairs(),
      whole: done.whole, ...more };
    viewer.panel.showBusy(1);
    try {
      const body = await packed(said, box, box && outline.cut(box));
      const base = drawing.line.keeper.version;
      const answer = await assist(data, { base, ...gridOf(isReduced) }, body);
      return viewer.outline === outline && viewer.data.case === data.case ? answer : null;
    } catch (error) {
      if (viewer.data.case === data.case) viewer.panel.say(sentence(error.message));
      return null;
    } finally {
      viewer.panel.showBusy(-1);
    }
  }

  // --- taking --------------------------------------------------------------------------------

  take() {
    const { proposal, viewer } = this;
    if (!proposal) return;
    const isOutlined = Boolean(this.box || this.clicks.length);
    if (proposal.take()) viewer.redrawn(proposal.box);
    this.drop();
    if (isOutlined) this.#goOn();
  }

  /** A structure was outlined from nothing: the next one is in hand, which is said. */
  #goOn() {
    const { viewer } = this;
    const { labels } = viewer.data;
    const done = labels.findIndex(({ id }) => id === viewer.structures.active);
    const next = viewer.structures.next();
    if (!next) return;
    viewer.structures.choose(labels.indexOf(next));
    viewer.panel.say(`Now: ${next.name}. To go on with ${labels[done].name}, choose it`
      + `${done < 9 ? ` (${done + 1})` : ""}.`);
  }

  drop() {
    this.#clear();
    this.viewer.panel.show();
    this.viewer.scene.draw();
  }

  // --- drawing -------------------------------------------------------------------------------

  draw(overlay, tile, scene, scale) {
    const { context } = overlay;
    this.proposal?.draw(context, tile, scene);
    const slice = scene.voxel[tile.normal];
    const corners = this.#corners(tile, scene, slice);
    if (corners) {
      const [[x, y], [right, bottom]] = corners;
      context.setLineDash([6 * scale, 4 * scale]);
      overlay.stroke(BOX, 2 * scale, () => context.rect(x, y, right - x, bottom - y));
      context.setLineDash([]);
    }
    const { clicks, middle } = this;
    const marks = clicks.map(({ voxel, isOut }) => [voxel, isOut, isOut ? OUTSIDE : INSIDE]);
    if (middle) marks.push([middle, false, BOX]);
    for (const [voxel, isOut, own] of marks) {
      if (voxel[tile.normal] !== slice) continue;
      const [x, y] = tile.position(voxel.map((n, k) => (n + 0.5) / scene.dims[k]));
      const arm = 6 * scale;
      for (const [colour, width] of [["#000000", 5 * scale], [own, 2.5 * scale]]) {
        overlay.stroke(colour, width, () => {
          context.moveTo(x - arm, y);
          context.lineTo(x + arm, y);
          if (isOut) return;
          context.moveTo(x, y - arm);
          context.lineTo(x, y + arm);
        });
      }
    }
  }

  #corners(tile, scene, slice) {
    const { rubber, box } = this;
    if (rubber) return rubber.tile.plane === tile.plane ? [rubber.from, rubber.to].map((p) => tile.position(p)) : null;
    if (!box) return null;
    const ends = box.map((corner) => corner[tile.normal]);
    if (slice < Math.min(...ends) || slice > Math.max(...ends)) return null;
    return box.map((corner) => tile.position(corner.map((n, k) => (n + 0.5) / scene.dims[k])));
  }
}

const sentence = (words) => {
  const whole = words[0].toUpperCase() + words.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
};
