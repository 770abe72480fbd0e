// The browser's page: filters -> list -> one image with what detectors and people saw in it.

const PAGE = 60;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const grid = byId("grid"), more = byId("more"), filters = byId("filters"), detail = byId("detail");
let shown = 0, turn = 0;

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

async function ask(path) {
  const response = await fetch(path);
  const content = await response.json();
  if (!response.ok) throw new Error(content.error);
  return content;
}

function chosen() {
  return new URLSearchParams([...new FormData(filters)].filter(([, value]) => value !== ""));
}

function logit(value) {
  return value === null ? "–" : (value > 0 ? "+" : "") + value.toFixed(2).replace("-", "−");
}

function label(value) {
  return value === null ? "unknown" : value === 1 ? "AI" : "real";
}

function card(image) {
  const item = byId("card").content.cloneNode(true);
  const button = item.querySelector("button"), line = item.querySelector(".line");
  item.querySelector("img").src = `/picture/${image.number}?side=240`;
  const answer = image.answer === null ? "" : image.wrong ? `called ${image.answer}, wrong` : `called ${image.answer}`;
  line.textContent = [label(image.label), answer, image.logit === null ? "" : logit(image.logit)].filter(Boolean).join(" · ");
  if (image.wrong || image.answer === "error") line.classList.add("wrong");
  item.querySelector(".file").textContent = image.name;
  if (image.error) button.title = image.error;
  button.addEventListener("click", () => open(image.number));
  return item;
}

async function list(from) {
  const mine = ++turn, query = chosen();
  query.set("offset", from);
  query.set("limit", PAGE);
  try {
    const found = await ask(`/api/images?${query}`);
    if (mine !== turn) return; // another choice was made meanwhile
    if (from === 0) grid.replaceChildren();
    grid.append(...found.images.map(card));
    shown = from + found.images.length;
    more.hidden = shown >= found.matching;
    byId("count").textContent = `${found.matching.toLocaleString("en")} images, ${found.wrong.toLocaleString("en")} judged wrongly`;
  } catch (error) {
    byId("count").textContent = error.message;
  }
}

function figure(number, caption, condition, overlay) {
  const made = element("figure"), frame = element("div");
  frame.append(element("img", "", { src: `/picture/${number}?condition=${encodeURIComponent(condition)}`, alt: caption }));
  if (overlay) frame.append(overlay);
  made.append(frame, element("figcaption", caption));
  return made;
}

function outlines(regions) {
  const svg = drawn("svg", { viewBox: `0 0 ${regions.width} ${regions.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const region of regions.marked)
    for (const polygon of region.polygons)
      svg.append(drawn("polygon", {
        points: polygon.map((point) => point.join(",")).join(" "), fill: region.colour, "fill-opacity": 0.25,
        stroke: region.colour, "stroke-width": 2, "vector-effect": "non-scaling-stroke",
      }));
  return svg;
}

function legend(region) {
  const item = element("li"), mark = drawn("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
  mark.append(drawn("rect", { width: 10, height: 10, fill: region.colour }));
  item.append(mark, region.category);
  return item;
}

function answer(image, one) {
  const row = element("tr"), cell = element("td"), show = element("button", one.condition, { type: "button" });
  show.addEventListener("click", () => {
    byId("pictures").firstElementChild.replaceWith(figure(image.number, `Under ${one.condition}`, one.condition));
  });
  cell.append(show);
  const wrong = image.label !== null && one.answer !== "error" && (one.answer === "AI") !== (image.label === 1);
  row.append(element("td", one.detector), element("td", one.view), cell, element("td", logit(one.logit)));
  row.append(element("td", wrong ? `${one.answer}, wrong` : one.answer, wrong ? { class: "wrong" } : {}));
  if (one.error) row.title = one.error;
  return row;
}

async function open(number) {
  let image;
  try {
    image = await ask(`/api/images/${number}`);
  } catch (error) {
    byId("count").textContent = error.message;
    return;
  }
  byId("detail-name").textContent = image.path.split("/").pop();
  const facts = [label(image.label), image.generator, image.subset, image.split, image.error, image.path];
  byId("detail-facts").textContent = facts.filter(Boolean).join(" · ");
  const pictures = [figure(number, "The image", "none")];
  if (image.regions.marked.length) pictures.push(figure(number, "What people marked", "none", outlines(image.regions)));
  image.heatmaps.forEach((one, place) => {
    const overlay = element("img", "", { src: `/heatmap/${number}/${place}`, alt: "" });
    const caption = `${one.detector}, ${one.explainer}${one.condition === "none" ? "" : `, ${one.condition}`}`;
    pictures.push(figure(number, caption, one.condition, overlay));
  });
  byId("pictures").replaceChildren(...pictures);
  byId("legend").replaceChildren(...image.regions.marked.map(legend));
  byId("answers").hidden = !image.answers.length;
  byId("answers").tBodies[0].replaceChildren(...image.answers.map((one) => answer(image, one)));
  detail.showModal();
}

async function start() {
  const about = await ask("/api/about");
  document.title = byId("name").textContent = about.name;
  for (const name of ["detector", "view", "condition", "subset"]) {
    const select = filters.elements[name];
    select.append(...about[name].map((value) => element("option", value, { value })));
    select.parentElement.hidden = select.options.length < 2;
  }
  await list(0);
}

let soon;
filters.addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(() => list(0), 150); });
filters.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", () => list(shown));
start();
