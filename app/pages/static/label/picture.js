// Shows an image: fitted at first; zoomed, moved, turned, and with other contrast and brightness.
// Only the view changes. Turning and light stay for the next image, zoom and place do not.

import { isEnlarged } from "../pixels.js";

const MOST_ZOOM = 16;
const STEP = 1.25;

export class Picture {
  // `frame`: the element that holds the image; `onView(words)` is told what changed.
  constructor(frame, onView = () => {}) {
    this.frame = frame;
    this.onView = onView;
    this.image = null;
    this.light = { contrast: 100, brightness: 100 };
    this.turned = 0;
    this.#toFit();
    this.pointers = new Map();
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    frame.addEventListener("pointerdown", (event) => this.#down(event));
    frame.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) {
      frame.addEventListener(kind, (event) => this.pointers.delete(event.pointerId));
    }
    frame.addEventListener("dblclick", () => this.fit());
  }

  show(image) {
    this.image = image;
    this.#toFit();
    this.frame.replaceChildren(image);
    this.#apply();
  }

  zoom(factor, at = { x: 0, y: 0 }) {
    const scale = Math.min(MOST_ZOOM, Math.max(1, this.scale * factor));
    const ratio = scale / this.scale;
    this.x = at.x - (at.x - this.x) * ratio;
    this.y = at.y - (at.y - this.y) * ratio;
    this.scale = scale;
    this.#apply(`Zoom ${Math.round(scale * 100)} %`);
  }

  zoomIn() {
    this.zoom(STEP);
  }

  zoomOut() {
    this.zoom(1 / STEP);
  }

  pan(x, y) {
    this.x += x;
    this.y += y;
    this.#apply();
  }

  turn() {
    this.turned = (this.turned + 90) % 360;
    this.#apply(`Turned by ${this.turned} degrees`);
  }

  change(name, by) {
    this.light[name] = Math.min(400, Math.max(20, this.light[name] + by));
    this.#apply(`${name === "contrast" ? "Contrast" : "Brightness"} ${this.light[name]} %`);
  }

  // Back to the whole image.
  fit() {
    this.#toFit();
    this.#apply("Whole image");
  }

  reset() {
    this.light = { contrast: 100, brightness: 100 };
    this.turned = 0;
    this.fit();
  }

  #toFit() {
    this.scale = 1;
    this.x = this.y = 0;
  }

  #apply(words = "") {
    const { width, height } = this.frame.getBoundingClientRect();
    this.x = bounded(this.x, (width * (this.scale - 1)) / 2);
    this.y = bounded(this.y, (height * (this.scale - 1)) / 2);
    if (this.image) {
      const isOnSide = this.turned % 180 !== 0;
      const fit = isOnSide ? Math.min(width / height, height / width) || 1 : 1;
      const { contrast, brightness } = this.light;
      const style = this.image.style; // set by script, which the policy allows
      style.transform = `translate(${this.x}px, ${this.y}px) rotate(${this.turned}deg) scale(${this.scale * fit})`;
      style.filter = contrast === 100 && brightness === 100 ? "" : `contrast(${contrast}%) brightness(${brightness}%)`;
      style.imageRendering = isEnlarged(this.image, width * this.scale, height * this.scale) ? "pixelated" : "auto";
    }
    if (words) {
      this.onView(words);
    }
  }

  #wheel(event) {
    event.preventDefault();
    const box = this.frame.getBoundingClientRect();
    const at = {
      x: event.clientX - box.left - box.width / 2,
      y: event.clientY - box.top - box.height / 2,
    };
    this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, at);
  }

  #down(event) {
    this.pointers.set(event.pointerId, event);
    this.frame.setPointerCapture(event.pointerId);
  }

  // One finger moves, two zoom.
  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      return;
    }
    const others = [...this.pointers.values()].filter((p) => p.pointerId !== event.pointerId);
    if (others.length) {
      const apart = (p) => Math.hypot(p.clientX - others[0].clientX, p.clientY - others[0].clientY);
      this.zoom(apart(event) / Math.max(1, apart(before)));
    } else {
      this.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    }
    this.pointers.set(event.pointerId, event);
  }
}

function bounded(value, most) {
  return Math.min(most, Math.max(-most, value));
}
