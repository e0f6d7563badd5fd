// The page that shows one item at a time. An answer is kept in the store and the next item shown
// at once; sending it comes after.

import { forget, imageOf, isImage, prepare } from "./content.js";
import { ask, sendByDigit } from "./dialogs.js";
import { classOfKey, isForOthers, keysOf } from "./keys.js";
import { SKIP_WAITS_MS } from "./outbox.js";
import { Picture } from "./picture.js";
import { Queue } from "./queue.js";
import { begin, currentClasses, showProgress } from "./session.js";
import { Waiting } from "./waiting.js";

const MANY = 10; // more classes than this get a filter
const SCROLL = 0.85;
const PAN = 60;
const LIGHT = 15;

const element = (id) => document.getElementById(id);

class Labeling {
  constructor({ api, classes, classList, outbox, scope, status, store }) {
    Object.assign(this, { api, classes, classList, outbox, status, store });
    this.queue = new Queue(api, outbox, scope, { prepare });
    this.waiting = new Waiting(this.queue, element("waiting"));
    this.picture = new Picture(element("frame"), (words) => status.say(words));
    this.shownId = null;
    this.shownAt = 0;
    this.order = Promise.resolve(); // what is done to the store, one after the other
    this.buttons = new Map();
  }

  async start() {
    this.#makeButtons();
    this.#listen();
    await this.queue.start();
    this.outbox.send();
    showProgress(this.api, this.status, this.outbox);
  }

  #makeButtons() {
    const holder = element("classes");
    holder.replaceChildren();
    this.buttons.clear();
    const keys = keysOf(this.classes);
    this.classList.forEach(({ name, hint }, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "class";
      const key = keys[i];
      const words = Object.assign(document.createElement("span"), { textContent: name, dir: "auto" });
      if (key) {
        const shown = Object.assign(document.createElement("kbd"), { textContent: key.toUpperCase() });
        shown.setAttribute("aria-hidden", "true");
        button.setAttribute("aria-keyshortcuts", key);
        button.append(shown);
      }
      if (hint) {
        words.append(Object.assign(document.createElement("small"), { textContent: hint, dir: "auto" }));
      }
      button.append(words);
      button.addEventListener("click", () => this.label(name));
      this.buttons.set(name, button);
      holder.append(button);
    });
    element("filter-row").hidden = this.classes.length <= MANY;
  }

  #listen() {
    addEventListener("keydown", (event) => this.#key(event));
    element("undo").addEventListener("click", () => this.undo());
    element("skip").addEventListener("click", () => this.skip());
    element("flag").addEventListener("click", () => this.flag());
    element("help").addEventListener("click", () => this.help());
    element("filter").addEventListener("input", () => this.#filter());
    element("filter").addEventListener("keydown", (event) => this.#filterKey(event));
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.#view(button.dataset.view));
    }
    this.queue.addEventListener("change", () => this.show());
    this.queue.addEventListener("lost", ({ detail }) => {
      if (detail.isShown) {
        this.status.say(detail.because);
      }
    });
    this.outbox.addEventListener("outcome", ({ detail }) => {
      if (detail.outcome.code === "unknown_class") {
        this.#refreshClasses();
      } else if (detail.outcome.status === "refused") {
        this.queue.check();
      }
    });
    sendByDigit(element("skip-dialog"));
  }

  // A lead has renamed, merged or retired classes: show those that labels may have now.
  async #refreshClasses() {
    this.classList = await currentClasses(this.api);
    this.classes = this.classList.map((each) => each.name);
    this.#makeButtons();
    this.#showSuggestion(this.queue.current?.suggestion);
    this.status.say("The classes have changed.");
  }

  // Show the first item of the queue, or what is waited for.
  show() {
    const item = this.queue.current;
    this.waiting.show();
    element("work").hidden = item === undefined;
    if (item === undefined || item.item_id === this.shownId) {
      this.shownId = item?.item_id ?? null;
      return;
    }
    this.shownId = item.item_id;
    this.shownAt = performance.now();
    const text = element("text");
    element("frame").hidden = element("view").hidden = !isImage(item);
    text.hidden = isImage(item);
    if (isImage(item)) {
      this.picture.show(imageOf(item));
    } else {
      text.textContent = item.content.text;
      text.scrollTop = 0;
    }
    this.#showSuggestion(item.suggestion);
  }

  #showSuggestion(suggestion) {
    for (const [name, button] of this.buttons) {
      const isSuggested = suggestion?.class === name;
      button.classList.toggle("suggested", isSuggested);
    }
    const row = element("suggestion");
    row.hidden = !suggestion;
    if (suggestion) {
      row.querySelector("bdi").textContent = suggestion.class;
      row.querySelector("output").textContent = `${Math.round(100 * suggestion.confidence)} %`;
    }
  }

  label(name) {
    const item = this.queue.current;
    if (item === undefined) {
      return;
    }
    const seconds = Math.min(86_400, (performance.now() - this.shownAt) / 1000);
    this.#decide(item, { kind: "label", class: name, seconds: Math.round(seconds * 100) / 100 });
    this.status.count(1);
    this.status.say(`${name}. ${this.queue.current ? "Next item." : ""}`);
  }

  async skip() {
    const item = this.queue.current;
    const values = item && (await ask("skip-dialog"));
    if (values && this.queue.current === item) {
      const comment = values.comment.trim() || undefined;
      const notBefore = Date.now() + SKIP_WAITS_MS;
      this.#decide(item, { kind: "skip", reason: values.reason, comment, notBefore });
      this.status.say("Skipped. Next item.");
    }
  }

  async flag() {
    const item = this.queue.current;
    const values = item && (await ask("flag-dialog"));
    const comment = values?.comment.trim();
    if (comment) {
      this.#inOrder(() => this.outbox.add({ kind: "flag", item: item.item_id, comment }));
      this.status.say("Your comment is kept. Now label or skip the item.");
    }
  }

  // Keep the answer, and go on to the next item without waiting for that.
  #decide(item, answer) {
    const { items } = this.queue;
    this.queue.items = items.slice(1);
    this.show();
    this.#inOrder(async () => {
      const number = await this.outbox.add({ ...answer, item: item.item_id });
      await this.store.addDecision({ item, answer, sent: number });
      this.queue.drop([item.item_id]);
      forget(item.item_id);
    });
  }

  undo() {
    return this.#inOrder(async () => {
      const decision = (await this.store.decisions()).filter((d) => d.item).at(-1);
      if (decision === undefined) {
        this.status.say("There is nothing left to undo.");
        return;
      }
      const { item, answer } = decision;
      const wasHere = await this.outbox.takeBack(decision.sent);
      if (!wasHere && answer.kind === "skip") {
        await this.store.removeDecision(decision.number);
        this.status.say("That skip was sent and stays; a lead can hand the item out again.");
        return;
      }
      if (!wasHere) {
        await this.outbox.add({ kind: "withdraw", item: item.item_id });
      }
      await this.store.removeDecision(decision.number);
      await this.queue.putFirst(item);
      if (answer.kind === "label") {
        this.status.count(-1);
      }
      this.status.say(`Undone: ${answer.class ?? "skip"}.`);
    });
  }

  #inOrder(use) {
    this.order = this.order.then(use).catch((error) => this.status.fail(error));
    return this.order;
  }

  help() {
    element("help-dialog").showModal();
  }

  #key(event) {
    if (isForOthers(event) || document.querySelector("dialog[open]")) {
      return;
    }
    if (!event.repeat && this.#command(event)) {
      event.preventDefault();
    } else if (this.#move(event)) {
      event.preventDefault();
    }
  }

  // Keys that do something once, however long they are held.
  #command(event) {
    const name = classOfKey(event, this.classes);
    if (name !== undefined) {
      this.label(name);
      return true;
    }
    const isOnButton = event.target.closest?.("button") !== null && event.target !== document.body;
    const suggested = this.queue.current?.suggestion?.class;
    switch (event.key) {
      case "Enter":
        if (suggested && !isOnButton) {
          this.label(suggested);
          return true;
        }
        return false;
      case "Backspace": this.undo(); return true;
      case "?": this.help(); return true;
      case "/":
        if (this.classes.length > MANY) {
          element("filter").focus();
        }
        return true;
      case "S": case "s": this.skip(); return true;
      case "F": case "f": this.flag(); return true;
      case "R": case "r": return this.#view("turn");
      case "W": case "w": return this.#view("fit");
      default: return false;
    }
  }

  // Keys that go on while they are held: zoom, light, place; in a long text they scroll.
  #move(event) {
    if (element("work").hidden) {
      return false;
    }
    if (!element("text").hidden) {
      return this.#scroll(event.key);
    }
    const moves = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
    if (moves[event.key]) {
      this.picture.pan(...moves[event.key]);
      return true;
    }
    const views = { "+": "in", "=": "in", "-": "out", "_": "out", "]": "contrast-more", "[": "contrast-less", "}": "brighter", "{": "darker" };
    return this.#view(views[event.key]);
  }

  #view(name) {
    const views = {
      in: () => this.picture.zoomIn(),
      out: () => this.picture.zoomOut(),
      fit: () => this.picture.reset(),
      turn: () => this.picture.turn(),
      "contrast-more": () => this.picture.change("contrast", LIGHT),
      "contrast-less": () => this.picture.change("contrast", -LIGHT),
      brighter: () => this.picture.change("brightness", LIGHT),
      darker: () => this.picture.change("brightness", -LIGHT),
    };
    const use = views[name];
    use?.();
    return use !== undefined;
  }

  #scroll(key) {
    const text = element("text");
    const page = text.clientHeight * SCROLL;
    const by = { ArrowDown: 60, ArrowUp: -60, PageDown: page, PageUp: -page, " ": page }[key];
    if (by !== undefined) {
      text.scrollBy({ top: by });
    }
    return by !== undefined;
  }

  #filter() {
    const wanted = element("filter").value.trim().toLocaleLowerCase();
    let n = 0;
    for (const [name, button] of this.buttons) {
      button.hidden = !name.toLocaleLowerCase().includes(wanted);
      n += button.hidden ? 0 : 1;
    }
    this.status.say(wanted ? `${n} of ${this.classes.length} classes` : "");
  }

  #filterKey(event) {
    if (event.key === "Escape" || event.key === "Enter") {
      event.preventDefault();
      const first = [...this.buttons].find(([, button]) => !button.hidden);
      element("filter").value = "";
      element("filter").blur();
      this.#filter();
      if (event.key === "Enter" && first) {
        this.label(first[0]);
      }
    }
  }
}

new Labeling(await begin()).start();
