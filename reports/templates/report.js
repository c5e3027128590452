(() => {
const all = (of, selector) => [...of.querySelectorAll(selector)];
const bar = document.getElementById("search"), field = document.getElementById("wanted");
const buttons = all(bar, "button"), said = bar.querySelector("output");
const plain = words => words.normalize("NFD").replace(/\p{M}/gu, "").replace(/\s+/g, " ").toLowerCase();
const rows = all(document, "[data-state]").map(node => ({node, state: node.dataset.state, words: null}));
const groups = all(document, "main section").map(node => [node, all(node, "[data-state]")]).filter(([, held]) => held.length);
const counted = rows.filter(({node}) => node.id);
const look = () => {
  const words = plain(field.value).split(" ").filter(Boolean);
  const states = buttons.filter(button => button.ariaPressed === "true").map(button => button.value);
  for (const row of rows) {
    if (words.length) row.words ??= plain(row.node.textContent);
    const fits = (!states.length || states.includes(row.state)) && words.every(word => row.words.includes(word));
    row.node.classList.toggle("out", !fits);
  }
  for (const [node, held] of groups) node.classList.toggle("out", held.every(one => one.classList.contains("out")));
  document.body.classList.toggle("searching", words.length + states.length > 0);
  const shown = counted.filter(({node}) => !node.classList.contains("out")).length;
  said.textContent = said.dataset.words.replace("%1", shown).replace("%2", counted.length);
};
const clear = () => {
  field.value = "";
  for (const button of buttons) button.ariaPressed = "false";
  look();
};
field.addEventListener("input", look);
for (const button of buttons) button.addEventListener("click", () => {
  button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
  look();
});
addEventListener("hashchange", () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target?.closest(".out")) {
    clear();
    // Rows that come back get their heights in the first frame; before it the browser scrolls to a guess.
    requestAnimationFrame(() => requestAnimationFrame(() => location.replace(location.hash)));
  }
});
addEventListener("keydown", event => {
  if (event.key === "/" && event.target !== field) {
    event.preventDefault();
    field.focus();
  }
});
let closed = [];
addEventListener("beforeprint", () => {
  closed = all(document, "details:not([open])");
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of closed) one.open = false;
});
// A dozen rows are looked at faster than searched.
bar.hidden = counted.length <= 12;
look();
})();
