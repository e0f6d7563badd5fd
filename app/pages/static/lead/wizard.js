// The wizard of a new project: dropping files, and what the labels will cost.

const drop = document.querySelector("[data-drop]");
if (drop) {
  const input = drop.querySelector("input[type=file]");
  const names = drop.querySelector("[data-names]");
  const show = () => {
    names.replaceChildren(
      ...[...input.files].slice(0, 8).map((file) => line(`${file.name}, ${size(file.size)}`)),
      ...(input.files.length > 8 ? [line(`and ${input.files.length - 8} more`)] : []),
    );
  };
  input.addEventListener("change", show);
  for (const kind of ["dragover", "dragenter"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    drop.addEventListener(kind, () => drop.classList.remove("over"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      show();
    }
  });
  drop.closest("form").addEventListener("submit", (event) => {
    const button = event.target.querySelector("button");
    button.setAttribute("aria-busy", "true");
    button.textContent = "Sending and reading…";
  });
}

function line(words) {
  const item = document.createElement("li");
  item.textContent = words;
  item.dir = "auto";
  return item;
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  const step = bytes < 1 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** step).toLocaleString("en", { maximumFractionDigits: 1 })} ${units[step]}`;
}

const cost = document.querySelector("[data-cost]");
if (cost) {
  const field = (name) => document.querySelector(`[data-${name}]`);
  const value = (name) => Number(field(name).value) || 0;
  const tell = () => {
    const labels = value("total") * value("per-item");
    const asked = labels / (1 - Math.min(0.9, value("gold") / 100));
    const hours = (asked * Number(cost.dataset.seconds)) / 3600;
    const time = hours < 2 ? `${Math.max(1, Math.round(hours * 60))} minutes` : `${hours.toFixed(1)} hours`;
    const rounds = Math.max(1, Math.ceil(value("total") / Math.max(1, value("round"))));
    const price = cost.dataset.price
      ? `, which cost ${(hours * Number(cost.dataset.price)).toFixed(2)} ${cost.dataset.currency}`
      : "";
    cost.textContent =
      `${labels.toLocaleString("en")} labels in ${rounds} rounds: about ${time} of annotators' time` +
      ` at ${cost.dataset.seconds} seconds a label${price}.`;
  };
  for (const name of ["total", "round", "per-item", "gold"]) field(name).addEventListener("input", tell);
  tell();
}
