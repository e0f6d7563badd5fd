// Keeps parts of a page up to date: listens to the project's events, and asks for a part again
// when one comes that concerns it. A part says where it is read (data-live) and what it waits for
// (data-on: event, job, counts).

const FLASH = "svp-flash";
const FLASH_MS = 10_000;
const SUBMIT_MS = 5_000;
const source = document.querySelector("[data-stream]");
const PAUSE = { event: 1500, job: 1000, counts: 1500 };
const parts = [...document.querySelectorAll("[data-live]")].map((element) => ({
  element,
  kinds: element.dataset.on.split(" "),
  due: null,
  isAsking: false,
}));

async function refresh(part) {
  part.due = null;
  if (part.isAsking || document.hidden) {
    part.due ??= setTimeout(() => refresh(part), 1000);
    return;
  }
  part.isAsking = true;
  try {
    const swap = window.htmx
      ? window.htmx.ajax("GET", part.element.dataset.live, { target: part.element, swap: "innerMorph" })
      : Promise.resolve();
    await swap;
  } finally {
    part.isAsking = false;
  }
}

// What the last form said, and until when a reload keeps it; null where nothing is kept.
function keptFlash() {
  const kept = JSON.parse(sessionStorage.getItem(FLASH) ?? "null");
  sessionStorage.removeItem(FLASH);
  return kept && kept.page === location.pathname && kept.until > Date.now() ? kept : null;
}

let flash = keptFlash();
const said = document.querySelector("main > .flash[role=status]");
if (said) {
  flash = { page: location.pathname, words: said.textContent, until: Date.now() + FLASH_MS };
} else if (flash) {
  const line = document.createElement("p");
  line.className = "flash";
  line.setAttribute("role", "status");
  line.dir = "auto";
  line.textContent = flash.words;
  document.querySelector("main").prepend(line);
}

// A form on its way brings a new page by itself, which a reload would cut off.
let submittedAt = -Infinity;
addEventListener("submit", () => { submittedAt = Date.now(); });

function reload() {
  const wait = submittedAt + SUBMIT_MS - Date.now();
  if (wait > 0) {
    setTimeout(reload, wait);
    return;
  }
  if (flash && flash.until > Date.now()) sessionStorage.setItem(FLASH, JSON.stringify(flash));
  location.reload();
}

function note(kind) {
  for (const part of parts) {
    if (part.kinds.includes(kind) && part.due === null) {
      part.due = setTimeout(() => refresh(part), PAUSE[kind]);
    }
  }
  document.dispatchEvent(new CustomEvent(`svp:${kind}`));
}

function listen() {
  const stream = new EventSource(source.dataset.stream);
  for (const kind of ["event", "job", "counts"]) {
    stream.addEventListener(kind, (message) => {
      const told = JSON.parse(message.data);
      if (kind === "counts" && told.state !== source.dataset.state && source.dataset.state) {
        reload(); // other buttons, other headings
        return;
      }
      note(kind);
    });
  }
  addEventListener("pagehide", () => stream.close());
}

// Not before: a stream that is opened earlier keeps the page loading.
if (source) {
  if (document.readyState === "complete") listen();
  else addEventListener("load", listen);
}
