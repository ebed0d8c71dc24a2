/** Elements made of text, never of markup: names of structures and scans come from files. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function button(text, title, act, extra = {}) {
  return element("button", { type: "button", title, onclick: act, ...extra }, text);
}

export function press(made, isPressed) {
  made.setAttribute("aria-pressed", String(isPressed));
  return made;
}
