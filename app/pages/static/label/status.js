// Says how things stand: progress, pace, the connection, refused answers; aloud for screen readers.

const PACE_MS = 5 * 60_000;

export class Status {
  constructor(outbox, store) {
    this.outbox = outbox;
    this.store = store;
    this.done = 0; // by the service's count, and since
    this.times = [];
    this.live = document.getElementById("live");
    this.banner = document.getElementById("banner");
    this.refused = document.getElementById("refused");
    outbox.addEventListener("change", () => this.show());
    document.getElementById("forget-refused").addEventListener("click", async () => {
      await store.forgetRefusals();
      this.showRefused();
    });
    setInterval(() => this.#showPace(), 10_000);
  }

  say(words) {
    this.live.textContent = words;
  }

  // Count answers given (negative: undone).
  count(by) {
    this.done = Math.max(0, this.done + by);
    if (by > 0) {
      this.times.push(...Array(by).fill(Date.now()));
    } else {
      this.times.splice(by);
    }
    this.#showPace();
  }

  show() {
    const { waiting, isAway, isSignedOut } = this.outbox;
    const answers = `${waiting} ${waiting === 1 ? "answer waits" : "answers wait"}`;
    if (isSignedOut) {
      this.#announce(`You are signed out. ${answers} on this device; sign in again to send.`, true);
    } else if (isAway || !navigator.onLine) {
      this.#announce(`The service does not answer. ${answers} on this device and will be sent when it is back. Go on labeling.`);
    } else {
      this.banner.hidden = true;
    }
    this.showRefused();
  }

  // Something is broken in the page itself, such as a device that is full: nothing is kept now.
  fail(error) {
    reportError(error);
    this.#announce("This browser could not keep your last answer. Reload the page; if it happens again, free some space on this device.");
  }

  async showRefused() {
    const found = await this.store.refusals();
    this.refused.hidden = found.length === 0;
    const list = this.refused.querySelector("ul");
    const shown = found.slice(-20).map((refusal) => {
      const entry = document.createElement("li");
      entry.dir = "auto";
      entry.textContent = `Item ${refusal.item}, ${refusal.words}: ${refusal.detail}`;
      return entry;
    });
    list.replaceChildren(...shown);
    const title = this.refused.querySelector("summary");
    title.textContent = found.length === 1 ? "1 answer was refused" : `${found.length} answers were refused`;
  }

  #announce(words, offersSignIn = false) {
    this.banner.hidden = false;
    const text = this.banner.querySelector("span");
    if (text.textContent !== words) {
      text.textContent = words;
    }
    this.banner.querySelector("a").hidden = !offersSignIn;
  }

  #showPace() {
    const since = Date.now() - PACE_MS;
    this.times = this.times.filter((time) => time > since);
    document.getElementById("done").textContent = String(this.done);
    const minutes = (Date.now() - (this.times[0] ?? Date.now())) / 60_000;
    const pace = this.times.length > 2 && minutes > 0.05 ? Math.round((this.times.length - 1) / minutes) : null;
    document.getElementById("pace").textContent = pace === null ? "" : `${pace} a minute`;
  }
}
