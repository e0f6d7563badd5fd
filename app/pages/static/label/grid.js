// The page that shows many items at once: those of one suggested class, or all as one class. Mark
// the wrong ones; the rest get the class, and one undo takes all of them back.

import { showPixels } from "../pixels.js";
import { forget, imageOf, isImage, prepare } from "./content.js";
import { isForOthers } from "./keys.js";
import { Queue } from "./queue.js";
import { begin, showProgress } from "./session.js";
import { Waiting } from "./waiting.js";

const AT_ONCE = 48;
const element = (id) => document.getElementById(id);

class Grid {
  constructor({ api, classes, outbox, scope, status, store }) {
    Object.assign(this, { api, classes, outbox, status, store });
    this.queue = new Queue(api, outbox, scope, { ahead: AT_ONCE, prepare });
    this.waiting = new Waiting(this.queue, element("waiting"));
    this.wrong = new Set(); // items that are not of the class
    this.shown = []; // items in the grid
    this.shownAt = performance.now();
    this.order = Promise.resolve();
  }

  async start() {
    element("submit").addEventListener("click", () => this.submit());
    element("undo").addEventListener("click", () => this.undo());
    element("help").addEventListener("click", () => element("help-dialog").showModal());
    element("class").addEventListener("change", () => this.show({ isOtherGroup: true }));
    addEventListener("keydown", (event) => this.#key(event));
    this.queue.addEventListener("change", () => this.show());
    await this.queue.start();
    this.outbox.send();
    showProgress(this.api, this.status, this.outbox);
  }

  // The class that unmarked items get; null: there is nothing to say it of.
  get class() {
    const chosen = element("class").value;
    if (chosen !== "") {
      return this.classes[Number(chosen)];
    }
    return this.group?.class ?? null;
  }

  // The largest group of items with the same suggestion.
  #largestGroup() {
    const groups = Map.groupBy(this.queue.items, (item) => item.suggestion?.class);
    groups.delete(undefined);
    const largest = [...groups].sort((a, b) => b[1].length - a[1].length)[0];
    return largest && { class: largest[0], items: largest[1] };
  }

  show({ isOtherGroup = false } = {}) {
    this.waiting.show();
    const isBySuggestion = element("class").value === "";
    const held = new Set(this.queue.items.map((item) => item.item_id));
    const stays = !isOtherGroup && this.shown.length > 0 && this.shown.every((i) => held.has(i.item_id));
    const isSame = stays && this.shown.length >= AT_ONCE / 4;
    if (!isSame) {
      this.group = isBySuggestion ? this.#largestGroup() : null;
      this.shown = isBySuggestion ? (this.group?.items ?? []) : [...this.queue.items];
      this.wrong.clear();
      this.shownAt = performance.now();
      this.#draw();
    }
    const isEmpty = this.queue.items.length === 0;
    element("work").hidden = isEmpty;
    element("no-suggestions").hidden = isEmpty || !isBySuggestion || this.shown.length > 0;
    this.#label();
  }

  #draw() {
    const cells = this.shown.map((item) => this.#cell(item));
    const holder = element("cells");
    holder.classList.toggle("of-texts", this.shown.length > 0 && !isImage(this.shown[0]));
    const hadFocus = holder.contains(document.activeElement) || document.activeElement === document.body;
    holder.replaceChildren(...cells);
    showPixels(holder.querySelectorAll("img"));
    if (hadFocus) {
      cells[0]?.focus({ preventScroll: true });
    }
  }

  #cell(item) {
    const cell = document.createElement("button");
    cell.type = "button";
    cell.className = "cell";
    cell.tabIndex = item === this.shown[0] ? 0 : -1;
    cell.dataset.item = item.item_id;
    cell.setAttribute("aria-pressed", "false");
    if (isImage(item)) {
      cell.append(imageOf(item));
    } else {
      const text = Object.assign(document.createElement("span"), { className: "cell-text", dir: "auto" });
      text.textContent = item.content.text;
      cell.append(text);
    }
    cell.append(Object.assign(document.createElement("span"), { className: "mark", textContent: "wrong" }));
    cell.addEventListener("click", () => this.#mark(cell, item.item_id));
    return cell;
  }

  #mark(cell, id) {
    const isWrong = !this.wrong.delete(id);
    if (isWrong) {
      this.wrong.add(id);
    }
    cell.setAttribute("aria-pressed", String(isWrong));
    this.#label();
  }

  #label() {
    const n = this.shown.length - this.wrong.size;
    const button = element("submit");
    button.disabled = this.class === null || this.shown.length === 0;
    button.querySelector("bdi").textContent = this.class ?? "";
    button.querySelector(".count").textContent = String(n);
    button.querySelector(".rest").textContent = this.wrong.size ? `, leave ${this.wrong.size}` : "";
  }

  // Unmarked items get the class; the marked go out of this tab's hands, to be labeled one by one.
  submit() {
    const { class: name, shown, wrong } = this;
    if (name === null || shown.length === 0) {
      return;
    }
    const items = shown.filter((item) => !wrong.has(item.item_id));
    const left = shown.filter((item) => wrong.has(item.item_id));
    const seconds = (performance.now() - this.shownAt) / 1000 / Math.max(1, items.length);
    const given = new Set(shown.map((item) => item.item_id));
    this.queue.items = this.queue.items.filter((item) => !given.has(item.item_id));
    this.shown = [];
    this.show();
    this.status.count(items.length);
    this.status.say(`${items.length} items are ${name}.`);
    this.#inOrder(async () => {
      const sent = [];
      for (const item of items) {
        const answer = { kind: "label", item: item.item_id, class: name, seconds: Math.round(seconds * 100) / 100 };
        sent.push(await this.outbox.keep(answer));
      }
      if (items.length) {
        await this.store.addDecision({ items, sent, class: name });
      }
      await this.outbox.added();
      this.queue.setAside(left.map((item) => item.item_id));
      this.queue.drop(items.map((item) => item.item_id));
      items.forEach((item) => forget(item.item_id));
      await this.queue.fill();
    });
  }

  // Take the last submission back as a whole; its items are shown again.
  undo() {
    this.#inOrder(async () => {
      const decision = (await this.store.decisions()).filter((d) => d.items).at(-1);
      if (decision === undefined) {
        this.status.say("There is nothing left to undo.");
        return;
      }
      const here = await this.outbox.takeBackAll(decision.sent);
      for (const [i, item] of decision.items.entries()) {
        if (!here.has(decision.sent[i])) {
          await this.outbox.keep({ kind: "withdraw", item: item.item_id });
        }
      }
      await this.store.removeDecision(decision.number);
      await this.outbox.added();
      for (const item of decision.items.toReversed()) {
        await this.queue.putFirst(item, { isQuiet: true });
      }
      this.status.count(-decision.items.length);
      this.status.say(`Undone: ${decision.items.length} items.`);
      this.shown = [];
      this.show({ isOtherGroup: true });
    });
  }

  #inOrder(use) {
    this.order = this.order.then(use).catch((error) => this.status.fail(error));
  }

  #key(event) {
    if (isForOthers(event) || document.querySelector("dialog[open]")) {
      return;
    }
    const cell = event.target.closest?.(".cell");
    if (event.key === "Enter" && (event.shiftKey || !event.target.closest?.("button:not(.cell)"))) {
      event.preventDefault();
      if (!event.repeat) {
        this.submit();
      }
    } else if (event.key === "Backspace") {
      event.preventDefault();
      this.undo();
    } else if (event.key === "?") {
      element("help-dialog").showModal();
    } else if (this.#walk(event.key, cell)) {
      event.preventDefault();
    }
  }

  // The arrow keys go from cell to cell; Space marks, as on every button.
  #walk(key, cell) {
    const cells = [...element("cells").children];
    if (cells.length === 0) {
      return false;
    }
    const columns = cells.filter((c) => c.offsetTop === cells[0].offsetTop).length;
    const isRightToLeft = getComputedStyle(element("cells")).direction === "rtl";
    const side = isRightToLeft ? -1 : 1;
    const steps = { ArrowRight: side, ArrowLeft: -side, ArrowDown: columns, ArrowUp: -columns };
    if (key in steps) {
      const at = cell ? cells.indexOf(cell) + steps[key] : 0;
      this.#focus(cells, Math.min(cells.length - 1, Math.max(0, at)));
      return true;
    }
    const ends = { Home: 0, End: cells.length - 1 };
    if (key in ends) {
      this.#focus(cells, ends[key]);
      return true;
    }
    return false;
  }

  #focus(cells, at) {
    for (const [i, cell] of cells.entries()) {
      cell.tabIndex = i === at ? 0 : -1;
    }
    cells[at].focus();
  }
}

new Grid(await begin()).start();
