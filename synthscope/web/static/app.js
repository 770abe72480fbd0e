// The page: takes pictures, sends them to the server one after another, shows what it answers.
import { start } from "/assets/page.js";

const AT_ONCE = 2; // files that are sent at a time
const find = (id) => document.getElementById(id);
const entries = []; // {file, row, state, article, page}
let limit = Infinity; // bytes of a file
let opened = null; // the entry that is shown

function add(files) {
  for (const file of files) {
    const row = find("entry").content.cloneNode(true).firstElementChild;
    const entry = { file, row, part: (name) => row.querySelector(`[data-${name}]`) };
    entry.part("name").textContent = file.name || "pasted picture";
    for (const name of ["open", "beside", "again"]) describe(entry, name);
    entry.part("open").addEventListener("click", () => open(entry, { focus: true }));
    entry.part("beside").addEventListener("click", () => compare(entry));
    entry.part("again").addEventListener("click", () => wait(entry));
    find("entries").append(row);
    entries.push(entry);
    wait(entry);
  }
  find("queue").hidden = entries.length === 0;
}

/** Names of buttons say which file they are about, to those who do not see the row. */
function describe(entry, name) {
  const button = entry.part(name);
  button.setAttribute("aria-label", `${button.textContent} ${entry.part("name").textContent}`);
}

function wait(entry) {
  const problem = entry.file.size > limit ? `Larger than ${limit / 1e6} MB. Make it smaller.`
    : entry.file.size === 0 ? "An empty file." : "";
  tell(entry, problem ? "failed" : "waiting", problem || "Waiting");
  next();
}

function next() {
  const sending = entries.filter((entry) => entry.state === "sending").length;
  for (const entry of entries.filter((one) => one.state === "waiting").slice(0, AT_ONCE - sending)) inspect(entry);
}

async function inspect(entry) {
  tell(entry, "sending", "Looking at it …");
  try {
    const response = await answer(entry);
    const text = await response.text();
    if (!response.ok) throw new Error(JSON.parse(text).error);
    take(entry, text);
  } catch (error) {
    const gone = error instanceof TypeError || error instanceof SyntaxError;
    tell(entry, "failed", gone ? "The server did not answer. Is it still running?" : error.message);
  }
  next();
}

/** The server may be full of other pages' files; then it says when to ask again. */
async function answer(entry) {
  const name = encodeURIComponent([...(entry.file.name || "pasted.png")].slice(-200).join(""));
  for (;;) {
    const response = await fetch(`/v1/inspect?format=html&name=${name}`, {
      method: "POST", body: entry.file, headers: { "content-type": "application/octet-stream" },
    });
    if (response.status !== 503) return response;
    tell(entry, "sending", "Waiting for a place …");
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("retry-after") ?? 2)));
  }
}

/** What comes is a whole page, escaped by the server: it can be saved, its article is shown here without its style. */
function take(entry, text) {
  const own = text.slice(text.indexOf("<article"), text.lastIndexOf("</article>"));
  const article = new DOMParser().parseFromString(own, "text/html").querySelector("[data-evidence]");
  entry.article = document.adoptNode(article);
  const save = document.createElement("a");
  save.className = "button";
  save.href = URL.createObjectURL(new Blob([text], { type: "text/html" }));
  save.download = `${entry.part("name").textContent}.evidence.html`;
  save.textContent = "Save this page";
  article.querySelector("[data-save=page]").replaceWith(save);
  const icon = article.querySelector("h2 .icon").cloneNode(true);
  const sentence = article.querySelector(".lead").textContent;
  tell(entry, "done", article.querySelector("h2").textContent.trim(), icon);
  entry.part("state").title = sentence;
  const thumb = entry.part("thumb");
  const picture = article.querySelector("[data-picture]");
  thumb.hidden = !picture;
  if (picture) thumb.src = picture.src;
  if (!opened) open(entry);
  refresh();
}

function tell(entry, state, text, icon) {
  entry.state = entry.row.dataset.state = state;
  entry.part("state").replaceChildren(...(icon ? [icon] : []), text);
  if (state === "done" || state === "failed") find("said").textContent = `${entry.part("name").textContent}: ${text}`;
  refresh();
}

function refresh() {
  const count = (state) => entries.filter((entry) => entry.state === state).length;
  const [done, failed] = [count("done"), count("failed")];
  find("progress").max = Math.max(1, entries.length);
  find("progress").value = done + failed;
  find("progress").hidden = done + failed === entries.length;
  find("summary").textContent = `${done} of ${entries.length} answered${failed ? `, ${failed} failed` : ""}`;
  for (const entry of entries) {
    const shown = entry.article?.isConnected ?? false;
    entry.part("open").hidden = entry.state !== "done";
    entry.part("open").setAttribute("aria-pressed", shown);
    entry.part("beside").hidden = entry.state !== "done" || !opened || entry === opened || shown;
    entry.part("again").hidden = entry.state !== "failed" || entry.file.size > limit || entry.file.size === 0;
  }
}

function open(entry, { focus = false } = {}) {
  opened = entry;
  show(entry);
  if (!focus) return;
  const heading = entry.article.querySelector("h2");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  entry.article.scrollIntoView({ block: "start" });
}

/** Next to the one that is shown; the buttons of the two articles end it. */
function compare(entry) {
  const pair = [opened, entry];
  show(...pair);
  for (const one of pair) one.article.querySelector("[data-compare]").click();
  find("results").scrollIntoView({ block: "start" });
  opened.article.querySelector("[data-compare]").focus({ preventScroll: true });
}

function show(...shown) {
  const results = find("results");
  results.classList.remove("comparing");
  document.body.classList.toggle("wide", shown.length > 1);
  for (const { article } of shown) article.classList.remove("compared");
  results.replaceChildren(...shown.map(({ article }) => article));
  start(results);
  refresh();
}

find("results").addEventListener("click", (event) => {
  const ended = event.target.closest("[data-compare]") && !find("results").classList.contains("comparing");
  if (ended && !find("results").querySelector(".compared")) open(opened, { focus: true });
});

find("choose").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});
document.addEventListener("paste", (event) => add(event.clipboardData?.files ?? []));
for (const kind of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(kind, (event) => {
    if (kind !== "dragleave") event.preventDefault();
    find("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
}

async function greet() {
  try {
    const health = await (await fetch("/healthz")).json();
    limit = health.body_bytes;
    find("state").textContent = health.ready ? `Detectors: ${health.detectors.join(", ")}.` : "Detectors are being loaded; files wait for them.";
    if (!health.ready) setTimeout(greet, 1000);
  } catch {
    find("state").textContent = "The server does not answer.";
  }
}
greet();
