// The map: points on a canvas, coloured by class, state, score or round; zoom, and a lasso whose
// items the list of items shows.

const box = document.querySelector("[data-map]");
const SIDE = 12; // pixels left free at each edge
const COLOURS = ["#4053d3", "#c2560c", "#00857a", "#b51d54", "#7a4fc4", "#5f7a12", "#0a7fb0", "#a8457f", "#8a6d00", "#4f6272"];
const STATES = { labeled: "#00857a", open: "#c2560c", skipped: "#b51d54", unlabeled: "#9aa3b8" };
const NOTHING = "#9aa3b8";
const STEP = 0.2; // of the view, by an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

class Points {
  constructor(element, points) {
    this.element = element;
    this.points = points;
    this.canvas = element.querySelector("[data-canvas]");
    this.by = element.querySelector("[data-by]");
    this.names = [...element.querySelectorAll("[data-class-name]")].map((one) => one.textContent);
    this.view = { scale: 1, x: 0, y: 0 };
    this.lasso = [];
    this.by.addEventListener("change", () => this.draw());
    element.querySelector("[data-all]").addEventListener("click", () => this.reset());
    element.querySelector("[data-view]").addEventListener("click", () => this.pickView());
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("dblclick", () => this.reset());
    this.canvas.addEventListener("wheel", (event) => this.zoom(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", () => this.end());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // Place on the map (-1..1) -> pixels of the canvas, and back.
  toPixel(x, y) {
    const { scale, x: cx, y: cy } = this.view;
    const half = (Math.min(this.width, this.height) / 2 - SIDE) * scale;
    return [this.width / 2 + (x - cx) * half, this.height / 2 - (y - cy) * half];
  }

  toPlace(px, py) {
    const { scale, x: cx, y: cy } = this.view;
    const half = (Math.min(this.width, this.height) / 2 - SIDE) * scale;
    return [cx + (px - this.width / 2) / half, cy - (py - this.height / 2) / half];
  }

  colouring() {
    const { points } = this;
    if (this.by.value === "class") {
      return {
        of: (i) => (points.class_index[i] === null ? NOTHING : COLOURS[points.class_index[i] % COLOURS.length]),
        legend: [...this.names.slice(0, 40).map((name, i) => [name, COLOURS[i % COLOURS.length]]), ["no label", NOTHING]],
      };
    }
    if (this.by.value === "state") {
      return { of: (i) => STATES[points.state[i]], legend: Object.entries(STATES) };
    }
    const values = this.by.value === "score" ? points.score : points.round;
    const known = values.filter((value) => value !== null);
    const low = known.reduce((a, b) => Math.min(a, b), Infinity);
    const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
    const shade = (value) => `hsl(${230 - 210 * ((value - low) / (high - low || 1))} 75% 50%)`;
    return {
      of: (i) => (values[i] === null ? NOTHING : shade(values[i])),
      legend: known.length ? [[`lowest, ${short(low)}`, shade(low)], [`highest, ${short(high)}`, shade(high)], ["never selected", NOTHING]] : [["never selected", NOTHING]],
    };
  }

  draw() {
    const ratio = devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = this.width * ratio;
    this.canvas.height = this.height * ratio;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const { x, y } = this.points;
    const colouring = this.colouring();
    const side = Math.max(2, Math.min(7, 180 / Math.sqrt(x.length))) * Math.sqrt(this.view.scale);
    const order = [...x.keys()].sort((a, b) => (colouring.of(a) === NOTHING ? 0 : 1) - (colouring.of(b) === NOTHING ? 0 : 1));
    pen.globalAlpha = 0.8;
    for (const i of order) {
      const [px, py] = this.toPixel(x[i], y[i]);
      if (px < 0 || py < 0 || px > this.width || py > this.height) continue;
      pen.fillStyle = colouring.of(i);
      pen.fillRect(px - side / 2, py - side / 2, side, side);
    }
    pen.globalAlpha = 1;
    this.drawLasso(pen);
    this.showLegend(colouring.legend);
  }

  drawLasso(pen) {
    if (this.lasso.length < 2) return;
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
    pen.beginPath();
    for (const [x, y] of this.lasso) pen.lineTo(...this.toPixel(x, y));
    pen.closePath();
    pen.strokeStyle = accent;
    pen.lineWidth = 2;
    pen.stroke();
    pen.globalAlpha = 0.12;
    pen.fillStyle = accent;
    pen.fill();
  }

  showLegend(entries) {
    const rows = entries.map(([name, colour]) => {
      const row = document.createElement("li");
      const dot = document.createElement("canvas");
      dot.width = dot.height = 12;
      const pen = dot.getContext("2d");
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 12, 12);
      const words = document.createElement("span");
      words.dir = "auto";
      words.textContent = name;
      row.append(dot, words);
      return row;
    });
    this.element.querySelector("[data-legend]").replaceChildren(...rows);
  }

  reset() {
    this.view = { scale: 1, x: 0, y: 0 };
    this.lasso = [];
    this.tell();
    this.draw();
  }

  zoom(event) {
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY * 0.0015), this.toPlace(event.offsetX, event.offsetY));
  }

  // Zoom, and keep this place where it is on the screen.
  zoomBy(factor, [x, y]) {
    const scale = Math.max(1, Math.min(200, this.view.scale * factor));
    const kept = this.view.scale / scale;
    this.view = { scale, x: x - (x - this.view.x) * kept, y: y - (y - this.view.y) * kept };
    this.draw();
  }

  key(event) {
    const { scale, x, y } = this.view;
    const arrow = ARROWS[event.key];
    if (arrow) {
      this.view = { scale, x: x + (arrow[0] * STEP) / scale, y: y + (arrow[1] * STEP) / scale };
      this.draw();
    } else if (event.key === "+" || event.key === "-") {
      this.zoomBy(event.key === "+" ? 1.4 : 1 / 1.4, [x, y]);
    } else if (event.key === "Enter") {
      this.pickView();
    } else {
      return;
    }
    event.preventDefault();
  }

  // Pick everything that is on the screen.
  pickView() {
    const { width, height } = this;
    const corners = [[0, 0], [width, 0], [width, height], [0, height]];
    this.lasso = corners.map(([px, py]) => this.toPlace(px, py));
    this.tell();
    this.draw();
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.isDrawing = true;
    this.lasso = [this.toPlace(event.offsetX, event.offsetY)];
  }

  move(event) {
    if (!this.isDrawing) return;
    this.lasso.push(this.toPlace(event.offsetX, event.offsetY));
    this.draw();
  }

  end() {
    this.isDrawing = false;
    if (this.lasso.length < 3) this.lasso = [];
    this.tell();
    this.draw();
  }

  tell() {
    const open = this.element.querySelector("[data-open]");
    const picked = this.element.querySelector("[data-picked]");
    const n = this.lasso.length ? this.points.x.filter((x, i) => inside(this.lasso, x, this.points.y[i])).length : 0;
    picked.textContent = this.lasso.length ? `${n.toLocaleString("en")} items` : "";
    open.hidden = !n;
    open.href = `${this.element.dataset.items}?inside=${encodeURIComponent(corners(this.lasso))}`;
  }
}

function short(value) {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

// At most so many corners that they fit into an address.
function corners(lasso) {
  const step = Math.max(1, Math.ceil(lasso.length / 150));
  return lasso.filter((_, i) => i % step === 0).map(([x, y]) => `${x.toFixed(4)},${y.toFixed(4)}`).join(" ");
}

function inside(polygon, x, y) {
  let isInside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [ax, ay] = polygon[i];
    const [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ax + ((y - ay) * (bx - ax)) / (by - ay)) isInside = !isInside;
  }
  return isInside;
}

if (box) {
  const answer = await fetch(box.dataset.map, { headers: { Accept: "application/json" } });
  const found = answer.ok ? await answer.json() : null;
  if (found?.points) new Points(box, found.points).draw();
  else box.querySelector("[data-picked]").textContent = "The map cannot be read; reload the page.";
}
