"""How a page looks, and how its tables are sorted."""

STYLE = """
:root { color-scheme: dark }
* { box-sizing: border-box }
body { background: #15181c; color: #e8eaed; font: 16px/1.55 system-ui, sans-serif; margin: 0 }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem }
h1 { font-size: 1.9rem; font-weight: 600; margin: 0 0 .4rem }
h2 { font-size: 1.3rem; font-weight: 600; margin: 3rem 0 .8rem; border-bottom: 1px solid #3a424b;
     padding-bottom: .3rem }
h3 { font-size: 1.05rem; font-weight: 600; margin: 1.6rem 0 .2rem; overflow-wrap: anywhere }
p, ul { max-width: 44rem; margin: .5rem 0 } li { margin: .2rem 0 }
.muted, figcaption { color: #a9b1ba }
figcaption h3 { color: #e8eaed }
.warning { border-left: 4px solid #e69f00; padding: .3rem .8rem; background: #24221b }
figure { margin: 0 0 2rem }
img { max-width: 100%; height: auto; border-radius: 6px; margin-top: .5rem }
figure img { background: #000; width: 100% }
.wide { overflow: auto; max-height: 38rem; margin: .8rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { text-align: right; padding: .38rem .55rem; border-bottom: 1px solid #2b3239;
         white-space: nowrap }
th:first-child, .sortable td:nth-child(2), .sortable th:nth-child(2) { text-align: left }
tbody th { font-weight: 500 }
thead th { position: sticky; top: 0; background: #1f242a; font-weight: 600 }
button { all: unset; cursor: pointer } button:focus-visible { outline: 2px solid #56b4e9 }
th[aria-sort=ascending] button::after { content: " ↑" }
th[aria-sort=descending] button::after { content: " ↓" }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem }
dt { color: #a9b1ba } dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr } dd { margin-bottom: .6rem } }
"""

SCRIPT = """
"use strict";
const value = (row, k) => {
  const text = row.cells[k].textContent;
  const number = text === "∞" ? Infinity : parseFloat(text);
  return { text, number, empty: text === "–" };
};
for (const table of document.querySelectorAll("table.sortable"))
  table.tHead.querySelectorAll("th").forEach((head, k, heads) =>
    head.firstChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const words = k < 2;
      rows.sort((a, b) => {
        const [x, y] = [value(a, k), value(b, k)];
        if (x.empty || y.empty) return x.empty - y.empty;
        const order = words ? x.text.localeCompare(y.text, "en", { numeric: true })
                            : (x.number === y.number ? 0 : x.number - y.number);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    }));
"""
