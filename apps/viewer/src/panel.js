/** The buttons, sliders and lists about the picture. They show the viewer's state; they hold none. */
import { HELPS } from "./assist.js";
import { button, element, press } from "./dom.js";
import { left } from "./keys.js";
import { fields } from "./questions.js";
import { Strip } from "./strip.js";
import { STYLE } from "./style.js";
import { PLANE_NAMES } from "./tiles.js";

const TOOLS = [
  ["navigate", "Navigate", "N"],
  ["brush", "Brush", "B"],
  ["erase", "Erase", "E"],
  ["fill", "Fill", "F"],
  ["assist", "Click", "C"],
  ["distance", "Distance", "D"],
  ["angle", "Angle", "A"],
  ["landmark", "Landmark", "K"],
];
const ICONS = {
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7zm10 3a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  shut: "M3 3l18 18M4 9c2.500 3 5 4.500 8 4.500s5.500-1.500 8-4.500M6 12l-2 3m8-1v4m6-6l2 3",
  locked: "M7 11V8a5 5 0 0 1 10 0v3M5 11h14v9H5z",
  open: "M7 11V8a5 5 0 0 1 9.500-2M5 11h14v9H5z",
};
const SAID = {
  saved: "Saved", unsaved: "Not saved yet", saving: "Saving …", failed: "Not saved",
  conflict: "Not saved: somebody else was quicker", expired: "Not saved: the link has expired",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const drawn = { d: ICONS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.8 };
  for (const [key, value] of Object.entries(drawn)) path.setAttribute(key, value);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

const withKey = (text, key) => element("span", {}, text, element("kbd", {}, key));

export class Panel {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.canvas = element("canvas");
    this.paper = element("canvas");
    this.surface = element("div", { class: "surface" });
    this.notice = element("div", { class: "notice", hidden: true, role: "alert" });
    this.wait = element("div", { class: "wait", hidden: true, role: "status" });
    this.where = element("span");
    this.what = element("span");
    this.state = element("span", { class: "state", role: "status" });
    this.structures = element("div");
    this.windows = element("div", { class: "wraps" });
    this.help = element("div");
    this.done = element("div");
    this.questions = element("div");
    this.landmarks = element("div");
    this.busy = 0;
    this.strip = new Strip(viewer);
    this.legend = element("div", { class: "legend", hidden: true });
    this.root = element("div", { class: "viewer", tabIndex: 0, role: "application",
      "aria-label": "Scan, with its outlines" },
      element("style", {}, STYLE), this.#bar(),
      this.strip.canvas, element("div", { class: "stage" }, this.canvas, this.paper, this.surface, this.wait, this.notice),
      this.#side(), element("div", { class: "status" }, this.where, this.what, this.state),
      this.legend);
  }

  #bar() {
    const { viewer } = this;
    this.tools = TOOLS.map(([name]) => button("", "", () => viewer.take(name), { "data-tool": name }));
    this.undo = button("Undo", "Ctrl Z", () => viewer.undo());
    this.redo = button("Redo", "Ctrl ⇧ Z", () => viewer.redo());
    this.viewName = button("", "V", () => viewer.look.cycleView());
    this.next = button("Save, next scan", "Ctrl ↵", () => viewer.next());
    return element("div", { class: "bar", role: "toolbar" }, ...this.tools, this.undo, this.redo,
      element("span", { class: "gap" }), this.viewName,
      button(withKey("Keys", "?"), "", () => viewer.toggleLegend()), this.next);
  }

  #side() {
    const { viewer } = this;
    const number = (which) => element("input", { type: "number", "aria-label": `${which} limit`,
      onchange: () => viewer.brush.setLimits(this.low.valueAsNumber, this.high.valueAsNumber) });
    [this.low, this.high] = [number("lower"), number("upper")];
    this.size = element("input", { type: "range", min: 0, max: 40, step: 0.5,
      "aria-label": "Brush radius, mm", oninput: () => viewer.brush.setRadius(this.size.valueAsNumber) });
    this.sizeWords = element("span");
    this.ball = button("", "S", () => viewer.brush.toggleBall());
    this.limits = button(withKey("Only within", "T"), "", () => viewer.brush.toggleLimits());
    this.fade = element("input", { type: "range", min: 0, max: 1, step: 0.05,
      "aria-label": "Strength of outlines", oninput: () => viewer.look.setOpacity(this.fade.valueAsNumber) });
    const part = (title, ...inside) => element("section", {}, element("h3", {}, title), ...inside);
    this.structurePart = part("Structures", this.structures);
    this.helpPart = part("With the machine's help", this.help);
    this.questionPart = part("About this study", this.questions);
    this.landmarkPart = part("Landmarks", this.landmarks);
    this.paintParts = [
      part("Brush", element("div", { class: "row" }, this.size, this.sizeWords), this.ball),
      part("Limits of intensity", this.limits, element("div", { class: "row" }, this.low, "to", this.high)),
    ];
    this.side = element("div", { class: "side", hidden: true }, this.structurePart, this.helpPart,
      this.landmarkPart, this.questionPart, part("Done", this.done), ...this.paintParts,
      part("Window", this.windows),
      part("Strength of outlines", element("div", { class: "row" }, this.fade)));
    return this.side;
  }

  /** Shows the viewer's state. */
  show() {
    this.#keepingFocus(() => this.#show());
  }

  /** What the keyboard was at may be made anew: then it is at the viewer, whose keys go on. */
  #keepingFocus(act) {
    const focused = () => this.root.getRootNode().activeElement;
    const was = focused();
    act();
    if (was && was !== focused() && !was.isConnected) this.root.focus({ preventScroll: true });
  }

  #show() {
    const { viewer } = this;
    const { brush, data, look, outline } = viewer;
    for (const [index, tool] of this.tools.entries()) {
      const [name, text, key] = TOOLS[index];
      tool.replaceChildren(data.page_keys.includes(key.toLowerCase()) ? text : withKey(text, key));
      press(tool, name === viewer.tool);
      tool.disabled = data.readonly && /brush|erase|fill|assist|landmark/.test(name);
      tool.hidden = (name === "landmark" && !data.landmarks.length)
        || (/brush|erase|fill|assist/.test(name) && !data.labels.length);
    }
    this.undo.disabled = !outline?.undoable.length;
    this.redo.disabled = !outline?.redoable.length;
    this.next.hidden = !data.has_next;
    this.viewName.replaceChildren(withKey(`View: ${look.viewName}`, "V"));
    this.size.value = brush.radius;
    this.sizeWords.textContent = `${brush.radius.toFixed(1)} mm`;
    this.ball.replaceChildren(withKey(brush.isBall ? "Ball: 3-D" : "Disc: this slice only", "S"));
    press(this.ball, brush.isBall);
    press(this.limits, brush.isLimited);
    [this.low.value, this.high.value] = brush.limits.map((value) => Number(value.toPrecision(5)));
    this.fade.value = look.opacity;
    this.#showStructures();
    this.#showWindows();
    this.side.hidden = !outline; // nothing was shown yet
    for (const part of [this.structurePart, this.helpPart, ...this.paintParts]) part.hidden = !data.labels.length;
    this.questionPart.hidden = !data.questions.length;
    this.landmarkPart.hidden = !data.landmarks.length;
    // Who types an answer is not interrupted, unless it is another scan that is asked about.
    if (this.answered !== viewer.answers || !this.questions.querySelector("input:focus")) {
      this.answered = viewer.answers;
      this.questions.replaceChildren(...fields(data.questions, viewer.answers, data.readonly));
    }
    this.landmarks.replaceChildren(...viewer.landmarks.rows(data.readonly));
    if (viewer.isReady) {
      this.#showHelp();
      this.#showDone();
      this.strip.draw();
    }
  }

  /** Another slice is shown. */
  showSlice() {
    this.#keepingFocus(() => this.#showDone());
  }

  #showHelp() {
    const { viewer } = this;
    const { assist, data } = viewer;
    if (assist.proposal || assist.isOpen) {
      const words = assist.proposal ? assist.proposal.words : "…";
      this.help.replaceChildren(
        element("p", {}, words),
        ...(assist.box || assist.clicks.length ? [element("p", {}, assist.hint)] : []),
        element("div", { class: "wraps" },
          button(withKey("Take it", "↵"), "", () => assist.take(), { class: "main", disabled: !assist.proposal }),
          button(withKey("Drop it", "Esc"), "", () => assist.drop())),
        this.#clickMode());
      return;
    }
    const helps = HELPS.filter(([action]) => action !== "model" || data.has_model);
    this.help.replaceChildren(
      ...(viewer.tool === "assist" ? [element("p", {}, viewer.assist.hint), this.#clickMode()] : []),
      element("div", { class: "wraps" }, ...helps.map(([action, text, key, what]) =>
        button(key ? withKey(text, key) : text, what, () => assist.help(action), { disabled: data.readonly })),
      button(withKey("Longest line", "L"), "Measures the structure in the slices of this plane", () => assist.line())));
  }

  #clickMode() {
    const { assist } = this.viewer;
    const mode = (isOut, words) => press(button(words, isOut ? "Or with Shift" : "", () => {
      assist.isOut = isOut;
      this.show();
    }), assist.isOut === isOut);
    return element("div", { class: "wraps" }, mode(false, "+ This"), mode(true, "− Not this"));
  }

  #showDone() {
    const { viewer } = this;
    const { done, data, scene, structures, look: { plane } } = viewer;
    const [axis, disabled] = [2 - plane, { disabled: data.readonly }];
    const own = scene.voxel[plane];
    const slices = [
      element("p", {}, done.whole ? "The whole scan is done."
        : `${done.planes[axis].size} of ${scene.dims[plane]} ${PLANE_NAMES[axis]} slices are done. `
          + "Models learn from these alone."),
      element("div", { class: "wraps" },
        press(button(withKey("This slice", "M"), "", () => viewer.sliceDone(), disabled), done.has(axis, own)),
        button(withKey("Next useful slice", "J"), "", () => viewer.assist.next(), disabled),
        press(button(withKey("Whole scan", "W"), "", () => viewer.scanDone(), disabled), done.whole),
        button(withKey("Done, next scan", "Ctrl ⇧ ↵"), "The whole scan is done, and the next one is shown",
          () => viewer.finish(), { disabled: data.readonly || !data.has_next })),
    ];
    const label = data.labels.find(({ id }) => id === structures.active);
    const looked = label && press(button(`Looked for: ${label.name}`,
      "Switch this off where you did not look for the structure: then nothing is learned of it here",
      () => structures.flipLookedFor(label.name), disabled), structures.isLookedFor(label.name));
    this.done.replaceChildren(...(data.labels.length ? [...slices, looked] : [element("p", {}, "All questions answered and landmarks placed is done.")]));
  }

  #showStructures() {
    const { viewer: { data, outline, structures } } = this;
    this.structures.replaceChildren(...data.labels.map(({ id, name, colour }, index) => {
      const [hidden, locked] = [structures.hidden.has(id), structures.locked.has(id)];
      const ml = outline?.millilitres(id) ?? 0;
      const swatch = element("span", { class: "swatch" });
      swatch.style.background = colour;
      const chosen = button("", index < 9 ? `${name} (${index + 1})` : name, () => structures.choose(index),
        { class: "name" });
      chosen.replaceChildren(swatch, element("span", {}, name),
        element("span", { class: "ml" }, [`${ml >= 100 ? ml.toFixed(0) : ml.toPrecision(3)} ml`,
          structures.diameterOf(id)].filter(Boolean).join(", ")));
      press(chosen, structures.active === id);
      const flip = (set, yes, no, words, isOn) => {
        const made = button("", words, () => structures.flip(set, id), { class: isOn ? "small" : "small off" });
        made.replaceChildren(icon(isOn ? yes : no));
        made.setAttribute("aria-label", `${words}: ${name}`);
        return made;
      };
      return element("div", { class: "structure" }, chosen,
        flip("hidden", "eye", "shut", hidden ? "Show" : "Hide", !hidden),
        flip("locked", "locked", "open", locked ? "Unlock" : "Lock", locked));
    }));
  }

  #showWindows() {
    const { viewer } = this;
    this.windows.replaceChildren(...viewer.data.windows.map(({ name }, index) =>
      press(button(withKey(name, `⇧${index + 1}`), "", () => viewer.look.choosePreset(index)),
        viewer.look.preset === index)));
  }

  showPlace(where, what) {
    [this.where.textContent, this.what.textContent] = [where, what];
  }

  showState(state) {
    this.state.textContent = SAID[state];
    this.state.className = `state ${state}`;
  }

  /** So many more, or fewer, questions are under way. */
  showBusy(more) {
    this.busy += more;
    this.root.classList.toggle("busy", this.busy > 0);
  }

  showWait(words) {
    this.wait.hidden = !words;
    this.side.inert = Boolean(words); // what it shows is still of the scan before
    this.wait.textContent = words;
  }

  toggleLegend() {
    this.legend.replaceChildren(...left(this.viewer.data.page_keys).map(({ say, what }) =>
      element("div", {}, element("kbd", {}, say), what)));
    this.legend.hidden = !this.legend.hidden;
  }

  /** Says something over the picture, which stays where it is; with nothing to say it goes away. */
  say(words, ...buttons) {
    this.notice.hidden = !words;
    const close = buttons.length ? [] : [button("OK", "", () => this.say(""))];
    this.notice.replaceChildren(element("span", {}, words), ...buttons, ...close);
  }
}
