/** The keys, in one table: what is listed in the legend is what works. */

export const KEYS = [
  { keys: ["n"], say: "N", what: "Navigate: move the cross", act: (v) => v.take("navigate") },
  { keys: ["b"], say: "B", what: "Brush (with Shift: erase)", act: (v) => v.take("brush") },
  { keys: ["e"], say: "E", what: "Erase", act: (v) => v.take("erase") },
  { keys: ["f"], say: "F", what: "Fill", act: (v) => v.take("fill") },
  { keys: ["c"], say: "C", what: "Click or box: the machine outlines (Shift: not this)", act: (v) => v.take("assist") },
  { keys: ["Enter"], say: "↵", what: "Take what the machine proposes; go on with the next structure", act: (v) => v.assist.take() },
  { keys: ["Escape"], say: "Esc", what: "Drop it", act: (v) => v.assist.drop() },
  { keys: ["u"], say: "U", what: "The model's outline", act: (v) => v.assist.help("model") },
  { keys: ["i"], say: "I", what: "Fill between slices", act: (v) => v.assist.help("between") },
  { keys: ["g"], say: "G", what: "Grow from scribbles", act: (v) => v.assist.help("grow") },
  { keys: ["m"], say: "M", what: "This slice is done, or not", act: (v) => v.sliceDone() },
  { keys: ["w"], say: "W", what: "The whole scan is done, or not", act: (v) => v.scanDone() },
  { keys: ["j"], say: "J", what: "Go to the most useful slice", act: (v) => v.assist.next() },
  { keys: ["k"], say: "K", what: "Place landmarks", act: (v) => v.take("landmark") },
  { keys: ["l"], say: "L", what: "Longest line of the structure", act: (v) => v.assist.line() },
  { keys: ["d"], say: "D", what: "Measure a distance", act: (v) => v.take("distance") },
  { keys: ["a"], say: "A", what: "Measure an angle: three points", act: (v) => v.take("angle") },
  { keys: ["["], say: "[", what: "Smaller brush", act: (v) => v.brush.resize(1 / 1.25) },
  { keys: ["]"], say: "]", what: "Larger brush", act: (v) => v.brush.resize(1.25) },
  { keys: ["s"], say: "S", what: "Disc or ball (2-D, 3-D)", act: (v) => v.brush.toggleBall() },
  { keys: ["t"], say: "T", what: "Paint only within the limits", act: (v) => v.brush.toggleLimits() },
  { keys: ["1-9"], say: "1 … 9", what: "Choose a structure", act: (v, n) => v.structures.choose(n - 1) },
  { keys: ["Shift+1-9"], say: "⇧ 1 … 9", what: "Choose a window", act: (v, n) => v.look.choosePreset(n - 1) },
  { keys: ["ArrowUp", "PageUp"], say: "↑", what: "Next slice", act: (v) => v.look.step(1) },
  { keys: ["ArrowDown", "PageDown"], say: "↓", what: "Previous slice", act: (v) => v.look.step(-1) },
  { keys: ["p"], say: "P", what: "The arrows' plane", act: (v) => v.look.cyclePlane() },
  { keys: ["+", "="], say: "+", what: "Closer (or Ctrl and wheel)", act: (v) => v.scene.zoom(1.25) },
  { keys: ["-"], say: "−", what: "Further away", act: (v) => v.scene.zoom(0.8) },
  { keys: ["0"], say: "0", what: "All of the scan", act: (v) => v.scene.zoom(1) },
  { keys: ["v"], say: "V", what: "All planes, or one large", act: (v) => v.look.cycleView() },
  { keys: ["x"], say: "X", what: "Cross on or off", act: (v) => v.look.toggleCross() },
  { keys: ["h"], say: "H", what: "Hide or show outlines", act: (v) => v.look.toggleOutlines() },
  { keys: [","], say: ",", what: "Fainter outlines", act: (v) => v.look.fade(-0.1) },
  { keys: ["."], say: ".", what: "Stronger outlines", act: (v) => v.look.fade(0.1) },
  { keys: ["Ctrl+z"], say: "Ctrl Z", what: "Undo", act: (v) => v.undo() },
  { keys: ["Ctrl+Shift+z", "Ctrl+y"], say: "Ctrl ⇧ Z", what: "Redo", act: (v) => v.redo() },
  { keys: ["Ctrl+s"], say: "Ctrl S", what: "Save now", act: (v) => v.saveNow() },
  { keys: ["Ctrl+Enter"], say: "Ctrl ↵", what: "Save; next scan", act: (v) => v.next() },
  { keys: ["Ctrl+Shift+Enter"], say: "Ctrl ⇧ ↵", what: "The whole scan is done; next scan", act: (v) => v.finish() },
  { keys: ["Delete"], say: "Del", what: "Remove all measures", act: (v) => v.clearMeasures() },
  { keys: ["?"], say: "?", what: "These keys", act: (v) => v.toggleLegend() },
];

const table = new Map(KEYS.flatMap((entry) => entry.keys.map((key) => [key, entry])));

/** Whether a key, pressed by itself, is one that the page keeps for itself. */
export function isOfPage(event, pageKeys) {
  const hasMore = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
  return !hasMore && event.key.length === 1 && pageKeys.includes(event.key.toLowerCase());
}

/** The keys that the page leaves to the viewer. */
export const left = (pageKeys) => KEYS.filter(({ keys }) => !keys.every((key) => pageKeys.includes(key[0])));

/** Acts on a key; whether it was one of ours. */
export function pressed(event, viewer) {
  const control = event.ctrlKey || event.metaKey;
  const digit = /^Digit([1-9])$/.exec(event.code)?.[1]; // ⇧ 1 is "!" on one keyboard only
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  let entry;
  if (event.altKey) return false;
  if (digit && !control) entry = table.get(event.shiftKey ? "Shift+1-9" : "1-9");
  else if (control) entry = table.get(event.shiftKey ? `Ctrl+Shift+${name}` : `Ctrl+${name}`);
  else entry = table.get(name);
  if (!entry) return false;
  entry.act(viewer, Number(digit));
  return true;
}
