/** Keeps what was drawn and said of one scan: on the server, and until then in this browser. */
import { button } from "./dom.js";
import { Keeper } from "./keeper.js";
import { fetchDisputed, put } from "./transfer.js";
import * as unsaved from "./unsaved.js";

const SOON = 250; // ms without a change before it is kept in the browser
const WORST = ["conflict", "expired", "failed", "unsaved", "saving", "saved"];

/** One line of versions: the outline, the answers or the landmarks. */
class Line {
  /**
   * @param {string} what "mask", "answers" or "points"
   * @param {number} version that it began with
   * @param {object} source `take()` begins a save, `settle(isSaved)` ends it; `make()` gives what is
   *   not saved, as it is at that moment: a promise of {query, body}
   */
  constructor(saving, what, version, source) {
    Object.assign(this, { saving, what, source });
    this.state = "saved";
    this.isJoining = false; // what is sent next is to be put together with theirs
    this.keeper = new Keeper(version, (base, merges) => this.#send(base, merges),
      (state, detail) => this.#told(state, detail));
    this.storing = Promise.resolve();
  }

  changed() {
    this.keeper.changed();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#store(), SOON);
  }

  async #send(base, merges) {
    this.source.take();
    try {
      const { query, body } = await this.source.make();
      const answer = await put(this.saving.data, this.what,
        { ...query, base, ...(merges ? { merges } : {}), ...(this.isJoining ? { both: "yes" } : {}) }, body);
      this.source.settle(true);
      return answer;
    } catch (error) {
      this.source.settle(false);
      throw error;
    }
  }

  /** Puts what is not saved into the browser's own store. */
  #store() {
    this.storing = this.storing.then(async () => {
      if (this.keeper.isIdle) return;
      const { version: base, merges } = this.keeper;
      const { query, body } = await this.source.make();
      await unsaved.keep(this.saving.drawer, this.what,
        { query: { ...query, base, ...(merges ? { merges } : {}) }, body });
    }).catch(() => {}); // a browser that forbids it still saves on the server
  }

  #told(state, detail) {
    this.state = state;
    if (state === "saved") this.stored();
    this.saving.told(this, state, detail);
  }

  /** All is saved: the browser need not keep it any longer. */
  stored() {
    clearTimeout(this.timer);
    this.storing = this.storing.then(async () => {
      if (this.keeper.isIdle) await unsaved.drop(this.saving.drawer, this.what);
    }).catch(() => {});
  }
}

export class Saving {
  /**
   * @param {import("./viewer.js").Viewer} viewer
   * @param {object} opened the page's data of this scan
   * @param {string} drawer of the browser's store
   */
  constructor(viewer, opened, drawer) {
    Object.assign(this, { viewer, opened, drawer });
    this.lines = [];
  }

  line(what, version, source) {
    const made = new Line(this, what, version, source);
    this.lines.push(made);
    return made;
  }

  /** The page's data with the newest link, also when the page has gone on to another scan. */
  get data() {
    const { data } = this.viewer;
    return data.case === this.opened.case ? data : this.opened;
  }

  get isUnsaved() {
    return this.lines.some(({ keeper }) => !keeper.isIdle);
  }

  async flush() {
    await Promise.all(this.lines.map(({ keeper }) => keeper.flush()));
  }

  /** A new link has come. */
  renewed() {
    for (const { keeper, state } of this.lines) if (state === "expired") keeper.resume();
  }

  forget() {
    for (const { keeper } of this.lines) keeper.forget();
  }

  told(line, state, detail) {
    const { panel } = this.viewer;
    panel.showState(WORST.find((name) => this.lines.some((each) => each.state === name)));
    if (state === "saved") {
      if (detail && line.what === "mask") this.viewer.trigger("saved", detail);
      if (this.hasComplained) panel.say("");
      this.hasComplained = false;
    } else if (["conflict", "expired", "failed"].includes(state)) {
      this.hasComplained = true;
      this.#complain(line, state, detail);
    }
  }

  #complain(line, state, detail) {
    const { what, keeper } = line;
    const { panel } = this.viewer;
    if (state === "expired") {
      this.viewer.trigger("renew", { case: this.opened.case });
      panel.say("This page was open for long. If this does not go away, load it again.");
    } else if (state === "failed") {
      panel.say(`Not saved: ${detail.message}. It is kept here, and tried again.`,
        button("Try now", "", () => keeper.resume()));
    } else {
      this.#conflict(line, detail);
    }
  }

  #conflict(line, detail) {
    this.#disputed(line.what, detail.aside, () => line.keeper.resume(detail.newest, detail.aside),
      () => this.#join(line, detail));
  }

  /**
   * Puts both together. Nothing can be drawn meanwhile: it would be drawn on one of them alone. Where it
   * does not come about, neither of the two has been chosen, and it is asked again.
   */
  async #join(line, detail) {
    const { viewer } = this;
    const { keeper } = line;
    const { version, merges } = keeper;
    viewer.isReady = false;
    viewer.panel.showWait("Putting both together …");
    line.isJoining = true;
    await keeper.resume(detail.newest, detail.aside);
    line.isJoining = false;
    try {
      if (keeper.isIdle) await viewer.takeOver(line.what);
      else {
        keeper.hold(version, merges);
        if (line.state !== "conflict") this.#conflict(line, detail);
        line.state = "conflict";
      }
    } finally {
      viewer.panel.showWait("");
      viewer.isReady = true;
      viewer.panel.show();
    }
  }

  async #disputed(what, aside, keepMine, keepBoth) {
    const { panel } = this.viewer;
    const [name, one] = { mask: ["another outline of this scan", "outline"],
      answers: ["other answers about this scan", "answers"],
      points: ["other landmarks of this scan", "landmarks"] }[what];
    // Where it cannot be asked, one of the two is to be chosen.
    const slices = what === "mask" ? await fetchDisputed(this.data, aside).catch(() => null) : null;
    const both = slices === 0 ? [button("Keep both", "Your changes and theirs, in one outline", keepBoth)] : [];
    const why = slices ? ` You both changed the same places on ${slices} ${slices === 1 ? "slice" : "slices"}: one of you is to count there.` : "";
    panel.say(`Somebody saved ${name} meanwhile. Nothing is lost: what does not count stays among the `
      + `older versions, on the left.${why}`,
    ...both,
    button("Keep mine as the newest", "", keepMine),
    button(what === "mask" ? "Load theirs (Undo brings mine back)" : "Load theirs", one,
      () => this.viewer.takeOver(what)));
  }

  /** Offers what a page that is gone could not save any more. */
  async offer() {
    const records = await unsaved.left(this.drawer).catch(() => []);
    if (!records.length || this.viewer.data.readonly) return;
    const when = new Date(records.at(-1).at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    this.viewer.panel.say(`Work of ${when} on this scan was never saved: the page was closed, or the server was away.`,
      button("Bring it back", "", () => this.#bringBack(records)),
      button("Throw it away", "", async () => {
        for (const { what, page } of records) await unsaved.drop(this.drawer, what, page);
        this.viewer.panel.say("");
      }));
  }

  async #bringBack([record, ...others]) {
    if (!record) return;
    const { what, query, body, page } = record;
    const send = async (more) => {
      try {
        await put(this.data, what, { ...query, ...more }, body);
      } catch (error) {
        const on = { base: error.newest, merges: error.aside };
        if (error.status === 409) {
          await this.#disputed(what, error.aside, () => send(on), () => send({ ...on, both: "yes" }));
        } else this.viewer.panel.say(`It could not be brought back: ${error.message}. It is still kept here.`);
        return;
      }
      await unsaved.drop(this.drawer, what, page);
      if (this.viewer.saving !== this) return; // another scan is in hand; the rest is offered with this one
      await this.viewer.takeOver(what);
      this.viewer.panel.say("");
      await this.#bringBack(others);
    };
    await this.flush();
    await send({});
  }
}
