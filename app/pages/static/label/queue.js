// The items in this tab's hands: fetched ahead, leased while the page is used, given back on leaving.
// A tab holds a lock on each of its items, so that two tabs of one person show different ones.

import { Away, Refused, SignedOut } from "./api.js";

const AHEAD = 12; // items fetched ahead
const REFILL_BELOW = 7;
const MOST = 500; // asked for at once
const IDLE_MS = 5 * 60_000; // after so long without a key or touch nothing is renewed
const POLL_MS = 2000;
const CHECK_MS = 1500;

export class Queue extends EventTarget {
  // `ahead`: how many items to hold; `prepare(item)` loads what showing it needs.
  constructor(api, outbox, scope, { ahead = AHEAD, prepare = () => {} } = {}) {
    super();
    this.api = api;
    this.outbox = outbox;
    this.scope = scope;
    this.ahead = ahead;
    this.prepare = prepare;
    this.items = []; // the first is on screen
    this.waiting = null; // why there are none: {reason, detail, readyInSeconds, since}
    this.isAway = false;
    this.leaseMs = 600_000;
    this.renewedAt = 0;
    this.usedAt = Date.now();
    this.aside = new Set();
    this.releases = new Map(); // item -> gives its lock back
    this.filling = null;
    this.timer = null;
    for (const kind of ["keydown", "pointerdown", "wheel"]) {
      addEventListener(kind, () => this.#used(), { passive: true, capture: true });
    }
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", (event) => event.persisted && this.#resume());
    document.addEventListener("visibilitychange", () => document.hidden || this.#used());
    addEventListener("online", () => this.fill());
    setInterval(() => this.#renewIfDue(), 5000);
  }

  get current() {
    return this.items[0];
  }

  // Take items off the queue: they were answered, or belong to somebody else.
  drop(ids) {
    const gone = new Set(ids);
    this.items = this.items.filter((item) => !gone.has(item.item_id));
    for (const id of gone) {
      this.#unlock(id);
    }
    if (this.items.length < Math.min(REFILL_BELOW, this.ahead)) {
      this.fill();
    }
  }

  // Leave items to the page for one at a time: they are not fetched here again.
  setAside(ids) {
    ids.forEach((id) => this.aside.add(id));
    if (ids.length) {
      this.api.post("/leases/release", { item_ids: ids }).catch(() => {});
    }
    ids.forEach((id) => this.#unlock(id));
  }

  // Show an item first, again: it was undone.
  async putFirst(item, { isQuiet = false } = {}) {
    await this.#lock(item.item_id);
    this.items = [item, ...this.items.filter((other) => other.item_id !== item.item_id)];
    this.prepare(item);
    if (!isQuiet) {
      this.#changed();
    }
  }

  fill() {
    this.filling ??= this.#fill().finally(() => {
      this.filling = null;
    });
    return this.filling;
  }

  async #fill() {
    clearTimeout(this.timer);
    const before = this.items.length;
    try {
      await this.#fetchMore();
      this.isAway = false;
    } catch (error) {
      if (error instanceof Refused) {
        this.waiting = { reason: error.code, detail: error.message };
        this.#changed();
        return;
      }
      if (!(error instanceof Away) && !(error instanceof SignedOut)) {
        throw error;
      }
      this.isAway = error instanceof Away;
      this.outbox.isSignedOut ||= error instanceof SignedOut;
      this.timer = setTimeout(() => this.fill(), POLL_MS);
    }
    if (this.items.length !== before || this.items.length === 0) {
      this.#changed();
    }
  }

  async #fetchMore() {
    const unsent = await this.outbox.items();
    const elsewhere = await this.#nLockedElsewhere();
    // What is held comes first in the answer: of this tab, of others, and what waits to be sent.
    const size = Math.min(MOST, this.ahead + unsent.size + elsewhere + this.aside.size);
    const { body, headers } = await this.api.get(`/next-batch?size=${size}`);
    this.#noteLease(body.items, headers);
    const answered = await this.outbox.items();
    const known = new Set(this.items.map((item) => item.item_id));
    for (const item of body.items) {
      const isNew = ![unsent, answered, known, this.aside].some((ids) => ids.has(item.item_id));
      if (isNew && this.items.length < this.ahead && (await this.#lock(item.item_id))) {
        this.items.push(item);
        this.prepare(item);
      }
    }
    this.waiting = null;
    if (this.items.length === 0) {
      const seconds = Number(headers.get("Retry-After") ?? POLL_MS / 1000);
      const reason = body.items.length ? "sending" : (body.waiting_for ?? body.state);
      this.waiting = { reason, readyInSeconds: body.ready_in_seconds, since: Date.now() };
      this.timer = setTimeout(() => this.fill(), 1000 * seconds);
    }
  }

  // How long a lease lasts, by the service's own clock.
  #noteLease(items, headers) {
    const until = items.map((item) => Date.parse(item.leased_until)).filter((ms) => ms > 0);
    const now = Date.parse(headers.get("Date"));
    if (until.length && now > 0) {
      this.leaseMs = Math.max(2000, Math.max(...until) - now);
      this.renewedAt = Date.now();
    }
  }

  #used() {
    const wasIdle = Date.now() - this.usedAt > IDLE_MS;
    this.usedAt = Date.now();
    if (wasIdle || Date.now() - this.renewedAt > this.leaseMs) {
      this.#renew();
    }
  }

  #renewIfDue() {
    const isUsed = !document.hidden && Date.now() - this.usedAt < IDLE_MS;
    if (isUsed && Date.now() - this.renewedAt > this.leaseMs / 2) {
      this.#renew();
    }
  }

  // An answer was refused: the project may have ended, and with it every lease.
  check() {
    return this.#renew();
  }

  // Renew the leases; items whose lease has ended are somebody else's by now.
  async #renew() {
    if (this.items.length === 0) {
      return;
    }
    this.renewedAt = Date.now();
    const ids = this.items.map((item) => item.item_id);
    try {
      const { body } = await this.api.post("/leases/renew", { item_ids: ids });
      const held = new Set(body.leases.map((lease) => lease.item_id));
      this.#dropLost(ids.filter((id) => !held.has(id)));
    } catch (error) {
      if (error instanceof Refused) {
        this.#dropLost(ids, error.message);
      }
    }
  }

  #dropLost(ids, because = "The item went to somebody else, as its time had run out.") {
    if (ids.length === 0) {
      return;
    }
    const isShown = ids.includes(this.current?.item_id);
    this.drop(ids);
    this.dispatchEvent(new CustomEvent("lost", { detail: { isShown, because } }));
    this.#changed();
    this.fill();
  }

  // Give everything back at once. A reload asks again meanwhile: it checks a little later.
  #leave() {
    this.outbox.leave();
    const ids = this.items.map((item) => item.item_id);
    if (ids.length) {
      this.api.postAndLeave("/leases/release", { item_ids: ids });
      sessionStorage.setItem("svp left", String(Date.now()));
    }
    for (const id of ids) {
      this.#unlock(id);
    }
  }

  #resume() {
    this.items = [];
    this.start();
    this.outbox.send();
  }

  async start() {
    await this.fill();
    if (Date.now() - Number(sessionStorage.getItem("svp left") ?? 0) < 10_000) {
      setTimeout(() => this.#renew(), CHECK_MS);
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #name(id) {
    return `svp item ${this.scope} ${id}`;
  }

  // Hold the item's lock until it is dropped; false: another tab holds it.
  #lock(id) {
    if (!navigator.locks || this.releases.has(id)) {
      return true;
    }
    return new Promise((answer) => {
      navigator.locks.request(this.#name(id), { ifAvailable: true }, (lock) => {
        answer(lock !== null);
        return lock && new Promise((release) => this.releases.set(id, release));
      });
    });
  }

  #unlock(id) {
    this.releases.get(id)?.();
    this.releases.delete(id);
  }

  async #nLockedElsewhere() {
    if (!navigator.locks) {
      return 0;
    }
    const { held } = await navigator.locks.query();
    const ours = held.filter((lock) => lock.name.startsWith(this.#name("")));
    return Math.max(0, ours.length - this.releases.size);
  }
}
