// WCAG AA: text 4.5:1 on its ground and 14 px and more, edges of what is pressed 3:1; targets 40 px and
// more. tests/apps/test_contrast.py computes them.
export const STYLE = `
.viewer { --ground: #11161d; --raised: #1b222c; --line: #74849a; --text: #e8edf3; --muted: #a9b6c6;
  --accent: #6cc4ff; display: grid; grid-template: auto minmax(0, 1fr) auto / 30px minmax(0, 1fr) clamp(15rem, 22%, 17.5rem);
  gap: 8px; padding: 8px; box-sizing: border-box; background: var(--ground); color: var(--text);
  font: 400 16px/1.35 system-ui, "Segoe UI", Roboto, sans-serif; border-radius: 10px; outline: none;
  position: relative; }
.viewer:focus-visible { box-shadow: 0 0 0 2px var(--accent); }
.viewer *, .viewer *::before { box-sizing: border-box; }
.bar { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.bar .gap { flex: 1; } .bar button { padding: 0 9px; }
.stage { grid-row: 2; grid-column: 2; position: relative; min-height: 320px; background: #000; border-radius: 6px; overflow: hidden; }
.stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.stage .surface { position: absolute; inset: 0; touch-action: none; cursor: crosshair; }
.strip { grid-row: 2; grid-column: 1; width: 30px; height: 100%; min-height: 0; cursor: ns-resize; touch-action: none; }
.side { grid-row: 2; grid-column: 3; overflow-y: auto; display: flex; flex-direction: column; gap: 14px; padding: 2px 4px; }
.status { grid-row: 3; grid-column: 1 / -1; display: flex; gap: 18px; color: var(--muted); min-height: 1.4em;
  font-variant-numeric: tabular-nums; font-size: 15px; flex-wrap: wrap; }
.status .state { margin-left: auto; color: var(--text); }
.status .state::before { content: "●"; margin-right: .4em; color: #57c98a; }
.status .state.unsaved::before, .status .state.saving::before { color: #ffd166; }
.status .state.failed::before, .status .state.conflict::before, .status .state.expired::before { color: #ff8585; }
button, select, input[type=number] { font: inherit; color: var(--text); background: var(--raised);
  border: 1px solid var(--line); border-radius: 8px; min-height: 40px; min-width: 40px; padding: 0 12px; }
button { cursor: pointer; } button:hover { border-color: var(--muted); }
button:focus-visible, .strip:focus-visible, input:focus-visible, select:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button[aria-pressed=true] { background: #0b4a73; border-color: var(--accent); color: #fff; }
button:disabled { opacity: .45; cursor: default; }
button kbd { font: 600 14px system-ui; color: var(--muted); margin-left: .5em; }
button[aria-pressed=true] kbd { color: #d5ecff; }
h3 { margin: 0 0 6px; font-size: 15px; font-weight: 600; color: var(--muted); letter-spacing: .02em; }
.row { display: flex; gap: 6px; align-items: center; }
button + .row { margin-top: 6px; }
.row label { flex: 1; display: flex; align-items: center; gap: 8px; color: var(--muted); font-size: 15px; }
input[type=range] { flex: 1; min-width: 0; accent-color: var(--accent); height: 32px; }
input[type=number] { width: 100%; padding: 0 8px; }
.structure { display: grid; grid-template-columns: minmax(0, 1fr) 40px 40px; gap: 4px; margin-bottom: 4px; }
.structure .name { display: grid; grid-template-columns: 18px minmax(0, 1fr); gap: 0 8px; align-items: center;
  text-align: left; padding: 4px 8px; }
/* Never cut short: the end of a name is where it says left or right. */
.structure .name span:nth-child(2) { overflow-wrap: anywhere; }
.structure .ml { grid-column: 2; color: var(--muted); font-size: 14px; font-variant-numeric: tabular-nums; }
.structure button[aria-pressed=true] .ml { color: #d5ecff; }
.structure .swatch { width: 18px; height: 18px; border-radius: 4px; border: 1px solid #0008; }
.structure .small { padding: 0; } .structure svg { width: 20px; height: 20px; vertical-align: middle; }
.structure .off { color: var(--muted); background: transparent; }
.landmark { display: grid; grid-template-columns: minmax(0, 1fr) 40px; gap: 4px; margin-bottom: 4px; }
.landmark .name { display: grid; grid-template-columns: 18px minmax(0, 1fr); gap: 0 8px; text-align: left; align-items: center; overflow-wrap: anywhere; }
.landmark .placed { color: #ff9de2; } .landmark .small { padding: 0; }
fieldset { border: 0; margin: 0 0 10px; padding: 0; min-width: 0; } legend { padding: 0; margin-bottom: 4px; overflow-wrap: anywhere; }
.side p { margin: 0 0 6px; color: var(--muted); font-size: 15px; }
.wraps + button, .wraps + .wraps { margin-top: 6px; }
button.main { background: #14633f; border-color: #57c98a; color: #fff; } button.main kbd { color: #d5ffe6; }
.busy, .busy .surface { cursor: progress; }
.wraps { display: flex; flex-wrap: wrap; gap: 6px; }
.notice { position: absolute; z-index: 3; left: 8px; right: 8px; top: 8px; box-shadow: 0 4px 16px #000a; background: #2b2410; color: #ffe9b0;
  border: 1px solid #8a6d1d; border-radius: 8px; padding: 4px 8px 4px 14px; display: flex; gap: 10px; align-items: center; flex-wrap: wrap; }
.notice span { flex: 1 1 16rem; } .side[hidden], section[hidden], .notice[hidden], .legend[hidden], .wait[hidden] { display: none; }
.wait { position: absolute; inset: 0; display: grid; place-items: center; color: var(--text); background: #000b; z-index: 2; }
.legend { position: absolute; z-index: 4; right: 8px; top: 60px; max-height: calc(100% - 110px); overflow: auto;
  background: #0c1117; border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; columns: 2; column-gap: 28px; }
.legend div { display: flex; gap: 12px; break-inside: avoid; padding: 3px 0; font-size: 15px; }
.legend kbd { min-width: 5.2em; font: 600 14px system-ui; color: var(--accent); }
`;
