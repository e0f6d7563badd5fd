// Sends answers in the order in which they were given. An answer leaves the store when the service
// has taken or refused it; sending again after a lost reply changes nothing there.

import { Away, Refused, SignedOut } from "./api.js";

const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
const AT_ONCE = 100;
export const SKIP_WAITS_MS = 6000; // a skip cannot be withdrawn, so it waits for second thoughts

// How each kind of answer is asked: path, and whether several go in one request.
const PATHS = {
  label: "/labels",
  withdraw: "/labels/withdraw",
  skip: "/skips",
  flag: "/flags",
};

export class Outbox extends EventTarget {
  constructor(api, store) {
    super();
    this.api = api;
    this.store = store;
    this.waiting = 0; // answers that are not sent yet
    this.own = new Set(); // those of this tab, known without a look into the store
    this.isAway = false;
    this.isSignedOut = false;
    this.failures = 0;
    this.timer = null;
    this.sending = null;
    this.channel = new BroadcastChannel(`svp ${store.scope}`);
    this.channel.onmessage = () => this.#changed();
    addEventListener("online", () => this.send());
    document.addEventListener("visibilitychange", () => document.hidden || this.send());
  }

  async add(answer) {
    const number = await this.keep(answer);
    this.added();
    return number;
  }

  // Put an answer into the store; `added` then sends it.
  async keep(answer) {
    const kept = { ...answer };
    this.own.add(kept);
    kept.number = await this.store.addAnswer(answer);
    return kept.number;
  }

  // Answers were put into the store.
  added() {
    this.send();
    return this.#announce();
  }

  // Take back an answer that was not sent; returns whether it was still here.
  async takeBack(number) {
    return (await this.takeBackAll([number])).has(number);
  }

  // Take back answers that were not sent; returns the numbers of those.
  takeBackAll(numbers) {
    return locked(this.#lock, async () => {
      const waiting = new Set((await this.store.answers()).map((answer) => answer.number));
      const here = numbers.filter((number) => waiting.has(number));
      if (here.length) {
        await this.#remove(here);
        this.#announce();
      }
      return new Set(here);
    });
  }

  // Items whose answers the service does not know yet.
  async items() {
    return new Set((await this.store.answers()).map((answer) => answer.item));
  }

  send() {
    this.sending ??= this.#sendAll().finally(() => {
      this.sending = null;
    });
    return this.sending;
  }

  // The page is left: what waits goes now, without a look into the store, which takes too long.
  // Requests may overtake each other, so what an item's answers say in turn stays for the next visit.
  leave() {
    const answers = [...this.own];
    const isOnly = (answer) => answers.filter((a) => a.item === answer.item).length === 1;
    for (const group of grouped(answers.filter(isOnly))) {
      this.api.postAndLeave(PATHS[group[0].kind], bodyOf(group));
    }
  }

  get #lock() {
    return `svp outbox ${this.store.scope}`;
  }

  async #sendAll() {
    clearTimeout(this.timer);
    try {
      let more = true;
      while (more) {
        more = await locked(this.#lock, () => this.#sendSome());
      }
      this.failures = 0;
    } catch (error) {
      if (error instanceof SignedOut) {
        this.isSignedOut = true;
      } else if (error instanceof Away) {
        this.isAway = true;
        this.#later(PAUSES_MS[Math.min(this.failures, PAUSES_MS.length - 1)]);
        this.failures += 1;
      } else {
        throw error;
      }
    }
    await this.#changed();
  }

  #later(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), milliseconds);
  }

  // Send the answers at the head that go together; returns whether more may follow at once.
  async #sendSome() {
    const now = Date.now();
    const all = await this.store.answers();
    const due = all.filter((answer) => (answer.notBefore ?? 0) <= now);
    const later = all.filter((answer) => (answer.notBefore ?? 0) > now);
    if (later.length) {
      this.#later(Math.min(...later.map((answer) => answer.notBefore)) - now + 20);
    }
    const group = grouped(due)[0];
    if (group === undefined) {
      return false;
    }
    await this.#sendGroup(group);
    this.isAway = this.isSignedOut = false;
    this.#announce();
    return true;
  }

  async #sendGroup(group) {
    let outcomes;
    try {
      const { body } = await this.api.post(PATHS[group[0].kind], bodyOf(group));
      outcomes = body.results;
    } catch (error) {
      if (!(error instanceof Refused)) {
        throw error;
      }
      outcomes = group.map(() => ({ status: "refused", code: error.code, detail: error.message }));
    }
    for (const [i, outcome] of outcomes.entries()) {
      const answer = group[i];
      if (outcome.status === "refused") {
        const words = answer.class === undefined ? answer.kind : answer.class;
        const { code, detail } = outcome;
        await this.store.addRefusal({ item: answer.item, words, code, detail, at: Date.now() });
      }
      this.dispatchEvent(new CustomEvent("outcome", { detail: { answer, outcome } }));
    }
    await this.#remove(group.map((answer) => answer.number));
  }

  async #remove(numbers) {
    await this.store.removeAnswers(numbers);
    const gone = new Set(numbers);
    this.own.forEach((answer) => gone.has(answer.number) && this.own.delete(answer));
  }

  #announce() {
    this.channel.postMessage("changed");
    return this.#changed();
  }

  async #changed() {
    this.waiting = (await this.store.answers()).length;
    this.dispatchEvent(new Event("change"));
  }
}

// Answers in order, those of one kind that follow each other together; one item once in a group.
function grouped(answers) {
  const groups = [];
  for (const answer of answers) {
    const group = groups.at(-1);
    const fits =
      group !== undefined &&
      group.length < AT_ONCE &&
      group[0].kind === answer.kind &&
      group[0].reason === answer.reason &&
      group[0].comment === answer.comment &&
      group.every((other) => other.item !== answer.item);
    if (fits) {
      group.push(answer);
    } else {
      groups.push([answer]);
    }
  }
  return groups;
}

function bodyOf(group) {
  if (group[0].kind === "label") {
    const entry = (a) => ({ item_id: a.item, class: a.class, seconds: a.seconds });
    return { labels: group.map(entry) };
  }
  const body = { item_ids: group.map((answer) => answer.item) };
  for (const key of ["reason", "comment"]) {
    if (group[0][key] !== undefined) {
      body[key] = group[0][key];
    }
  }
  return body;
}

// One tab at a time. Browsers have no locks on pages over plain HTTP from another machine: there
// two tabs may send the same answer, which the service takes once.
export function locked(name, use) {
  return navigator.locks ? navigator.locks.request(name, use) : use();
}
