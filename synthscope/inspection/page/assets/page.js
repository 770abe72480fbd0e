// Behaviour of the page of the evidence on one file, and of the index. Without it everything can be read; what needs it is
// hidden until it runs. A server imports start() and calls it on every fragment that it puts into its page.

const whole = document.querySelector("[data-save=page]") && `<!DOCTYPE html>\n${document.documentElement.outerHTML}`; // as it came

/** Make every fragment and index in `root` work; those that do already stay as they are. */
export function start(root = document) {
  for (const article of root.querySelectorAll("[data-evidence]:not([data-ready])")) startArticle(article);
  for (const index of root.querySelectorAll("[data-index]:not([data-ready])")) startIndex(index);
  const all = document.querySelectorAll("[data-evidence]");
  for (const button of document.querySelectorAll("[data-compare]")) button.hidden = all.length < 2;
}

function startArticle(article) {
  article.dataset.ready = "";
  const find = (name) => article.querySelector(`[data-${name}]`);
  if (find("controls")) startLayers(article, find);
  find("compare").addEventListener("click", () => compare(article));
  find("copy").addEventListener("click", () => copy(find("quote"), find("status")));
  for (const button of article.querySelectorAll("[data-copy], button[data-save]")) button.hidden = false;
  const name = article.dataset.name;
  find("save=json").addEventListener("click", () => {
    save(`${name}.evidence.json`, "application/json", `${JSON.stringify(JSON.parse(find("json").textContent), null, 2)}\n`);
  });
  find("save=page")?.addEventListener("click", () => save(`${name}.evidence.html`, "text/html", whole));
}

function startLayers(article, find) {
  const controls = find("controls");
  const strength = find("opacity");
  const show = () => {
    const chosen = new FormData(controls).get("layer");
    for (const layer of article.querySelectorAll("[data-layer]")) layer.toggleAttribute("hidden", layer.dataset.layer !== chosen);
    for (const heat of article.querySelectorAll("img[data-layer]")) heat.style.opacity = strength.value / 100;
    strength.disabled = chosen === "0";
    strength.setAttribute("aria-valuetext", `${strength.value} of 100`);
    if (chosen !== "0") article.dataset.layer = chosen;
  };
  controls.hidden = false;
  controls.addEventListener("input", show);
  controls.addEventListener("submit", (event) => event.preventDefault());
  const picture = find("picture");
  const turn = () => { for (const regions of article.querySelectorAll("svg[data-layer]")) fit(regions, picture); };
  if (picture.complete) turn(); else picture.addEventListener("load", turn);
  show();
}

/** Sizes are those of the stored image; the picture stands upright, so its sides may have changed places. */
function fit(regions, picture) {
  const { width, height } = regions.dataset;
  const turned = (picture.naturalWidth > picture.naturalHeight) !== (Number(width) > Number(height)) && width !== height;
  regions.setAttribute("viewBox", turned ? `0 0 ${height} ${width}` : `0 0 ${width} ${height}`);
}

/** Number keys choose a layer, H hides it: in the article that has the focus, else in all that are shown. */
function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  if (event.target.closest?.("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=range])")) return;
  const own = event.target.closest?.("[data-evidence]");
  for (const article of own ? [own] : document.querySelectorAll("[data-evidence]")) {
    const controls = article.querySelector("[data-controls]");
    if (!controls || !controls.querySelector("[data-keys]").checked) continue;
    const now = new FormData(controls).get("layer");
    const wanted = event.key.toLowerCase() === "h" ? (now === "0" ? article.dataset.layer ?? "1" : "0") : event.key;
    const radio = [...controls.querySelectorAll("[name=layer]")].find((one) => one.value === wanted);
    if (!radio || !/^[0-9]$/.test(wanted)) continue;
    radio.checked = true;
    radio.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

/** The first press marks a file, a second one on another file shows the two side by side, a third ends it. */
function compare(article) {
  const ends = article.parentElement.classList.contains("comparing");
  article.classList.toggle("compared", !article.classList.contains("compared") && !ends);
  const chosen = ends ? [] : [...document.querySelectorAll(".compared")];
  for (const other of document.querySelectorAll("[data-evidence]")) {
    if (ends) other.classList.remove("compared");
    const marked = other.classList.contains("compared");
    other.parentElement.classList.toggle("comparing", chosen.length === 2);
    const button = other.querySelector("[data-compare]");
    button.setAttribute("aria-pressed", marked);
    button.textContent = marked ? (chosen.length === 2 ? "End comparison" : "Choose another file, or press again")
      : chosen.length ? "Compare with the chosen file" : "Compare with another file";
  }
  article.scrollIntoView();
}

async function copy(quote, status) {
  try {
    await navigator.clipboard.writeText(quote.textContent);
    status.textContent = "Copied.";
  } catch { // no permission, or no secure origin
    getSelection().selectAllChildren(quote);
    status.textContent = "Selected: copy it with Ctrl+C or ⌘C.";
  }
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function startIndex(index) {
  index.dataset.ready = "";
  const rows = [...index.querySelectorAll("tbody tr")];
  const filter = index.querySelector("[data-filter]");
  const status = index.querySelector("[data-status]");
  filter.hidden = false;
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", () => {
    const wanted = new FormData(filter).get("answer");
    for (const row of rows) row.hidden = Boolean(wanted) && row.dataset.answer !== wanted;
    status.textContent = `${rows.filter((row) => !row.hidden).length} shown`;
  });
  for (const head of index.querySelectorAll("th[data-key]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(index, rows, head));
  }
}

function sort(index, rows, head) {
  const falling = head.getAttribute("aria-sort") === "ascending";
  for (const other of index.querySelectorAll("th[data-key]")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const key = head.dataset.key;
  const text = ["name", "answer"].includes(key);
  const order = new Intl.Collator(undefined, { numeric: true });
  const of = (row) => row.dataset[key];
  const unlike = (a, b) => (text ? order.compare(of(a), of(b)) : of(a) - of(b)) * (falling ? -1 : 1);
  rows.sort((a, b) => (of(a) === "") - (of(b) === "") || unlike(a, b) || a.dataset.place - b.dataset.place);
  index.querySelector("tbody").append(...rows);
}

document.addEventListener("keydown", onKey);
start();
