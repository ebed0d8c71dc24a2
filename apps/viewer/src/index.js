/**
 * The component's door: Streamlit calls it at each run with fresh data, and its answer on unmounting.
 *
 * Streamlit throws the component's elements away when a banner comes, an exception is shown or the
 * page is hidden. What was drawn must not go with them: the viewer is taken out of the page, kept
 * for two minutes, and put back if it is asked for again.
 */
import { Viewer } from "./viewer.js";

const PARKED_FOR = 120_000; // ms
const viewers = new Map(); // data.instance → {viewer, timer, home}

export default async function mount({ parentElement, data, setTriggerValue }) {
  let kept = viewers.get(data.instance);
  if (!kept) {
    kept = { viewer: new Viewer(), timer: 0, home: null };
    viewers.set(data.instance, kept);
  }
  clearTimeout(kept.timer);
  kept.home = parentElement;
  if (kept.viewer.root.parentNode !== parentElement) parentElement.replaceChildren(kept.viewer.root);
  kept.viewer.update(data, setTriggerValue);
  return () => park(data.instance, parentElement);
}

function park(instance, parentElement) {
  const kept = viewers.get(instance);
  if (!kept || kept.home !== parentElement) return; // it was mounted elsewhere meanwhile
  kept.viewer.root.remove();
  kept.viewer.saveNow();
  kept.timer = setTimeout(() => {
    if (kept.viewer.isUnsaved) return; // rather a leak than a lost outline
    viewers.delete(instance);
    kept.viewer.close();
  }, PARKED_FOR);
}
