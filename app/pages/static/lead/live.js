// Keeps parts of a page up to date: listens to the project's events, and asks for a part again
// when one comes that concerns it. A part says where it is read (data-live) and what it waits for
// (data-on: event, job, counts).

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
        location.reload(); // other buttons, other headings
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
