/** Saves what was drawn, soon after it was drawn, and never loses it silently. */

const QUIET = 2_500; // ms without a stroke before saving
const LONGEST = 15_000; // ms that strokes may go unsaved while one draws on
const RETRY = 5_000;

export class Keeper {
  /**
   * @param {number} version that the drawing began with
   * @param {(base: number, merges: ?number) => Promise<{version: number}>} send
   * @param {(state: string, detail?: any) => void} tell "saved", "unsaved", "saving", "failed",
   *   "conflict" or "expired"
   */
  constructor(version, send, tell) {
    Object.assign(this, { version, send, tell });
    this.merges = null; // a version aside, which the next one takes the place of
    this.isUnsaved = false;
    this.isBlocked = false; // until a person decides, or a new link comes
    this.saving = null;
    this.since = 0;
  }

  changed() {
    if (!this.isUnsaved) this.since = Date.now();
    this.isUnsaved = true;
    if (this.isBlocked) return;
    this.tell("unsaved");
    this.#later(Math.max(0, Math.min(QUIET, this.since + LONGEST - Date.now())));
  }

  /** Saves at once what there is to save; one save at a time. */
  async flush() {
    clearTimeout(this.timer);
    while (this.saving) await this.saving;
    if (!this.isUnsaved || this.isBlocked) return;
    this.saving = this.#save();
    await this.saving;
  }

  /** Goes on after a conflict or with a new link. */
  resume(version = this.version, merges = null) {
    [this.version, this.merges] = [version, merges];
    this.isBlocked = false;
    return this.flush();
  }

  /** Waits for a person to decide, with what it went by before. */
  hold(version, merges) {
    clearTimeout(this.timer);
    [this.version, this.merges, this.isBlocked] = [version, merges, true];
  }

  forget() {
    clearTimeout(this.timer);
    this.isUnsaved = this.isBlocked = false;
  }

  get isIdle() {
    return !this.isUnsaved && !this.saving;
  }

  async #save() {
    this.isUnsaved = false; // strokes from here on are the next save's
    this.tell("saving");
    try {
      const answer = await this.send(this.version, this.merges);
      [this.version, this.merges] = [answer.version, null];
      this.saving = null;
      if (!this.isUnsaved) this.tell("saved", answer);
    } catch (error) {
      this.saving = null;
      this.isUnsaved = true;
      this.#failed(error);
    }
  }

  #failed(error) {
    if (error.status === 409) this.#block("conflict", error);
    else if (error.status === 401) this.#block("expired", error);
    else if (error.status >= 400 && error.status < 500) this.#block("failed", error);
    else {
      this.tell("failed", error);
      this.#later(RETRY);
    }
  }

  #block(state, error) {
    this.isBlocked = true;
    this.tell(state, error);
  }

  #later(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), delay);
  }
}
