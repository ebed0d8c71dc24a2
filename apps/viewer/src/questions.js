/** The questions about a study, each with its answers as buttons, or a number with its unit. */
import { button, element, press } from "./dom.js";

/** @returns {HTMLElement[]} a field for each question */
export function fields(questions, answers, isReadonly) {
  return questions.map((question) => {
    const { name, kind, choices, unit } = question;
    const value = answers?.values[name];
    const answer = (said) => answers.set(name, said === value ? undefined : said);
    const choice = (said, words) =>
      press(button(words, said === value ? "Again: not known" : "", () => answer(said),
        { disabled: isReadonly || !answers }), said === value);
    let inside;
    if (kind === "yes/no") inside = [choice(true, "Yes"), choice(false, "No")];
    else if (kind === "choice") inside = choices.map((word) => choice(word, word));
    else {
      const field = element("input", { type: "number", step: "any", value: value ?? "",
        "aria-label": unit === "1" ? name : `${name}, ${unit}`, disabled: isReadonly || !answers,
        onchange: () => answers.set(name, Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : undefined) });
      inside = [field, element("span", {}, unit === "1" ? "" : unit)];
    }
    return element("fieldset", {}, element("legend", {}, name),
      element("div", { class: kind === "number" ? "row" : "wraps" }, ...inside));
  });
}
