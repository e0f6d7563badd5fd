// What must outlive a reload, a crash and a day offline: answers that were not sent yet, answers
// that were refused, and the last decisions, for undo. In IndexedDB, shared by all tabs.

const NAME = "svp-labeling";
const VERSION = 1;
const KEPT_DECISIONS = 50;

export class Store {
  // `scope`: of one project and person; `tab`: whose undo this is.
  static async open(scope, tab) {
    const store = new Store();
    store.scope = scope;
    store.tab = tab;
    store.database = await opened();
    return store;
  }

  // Keep an answer until it is sent; returns its number, in order of answering.
  addAnswer(answer) {
    return this.#write("answers", (table) => table.add({ ...answer, scope: this.scope }));
  }

  // Answers that are not sent yet, oldest first.
  answers() {
    return this.#all("answers", this.scope);
  }

  removeAnswers(numbers) {
    return this.#write("answers", (table) => last(numbers.map((n) => table.delete(n))));
  }

  addRefusal(refusal) {
    return this.#write("refusals", (table) => table.add({ ...refusal, scope: this.scope }));
  }

  refusals() {
    return this.#all("refusals", this.scope);
  }

  forgetRefusals() {
    return this.refusals().then((found) =>
      this.#write("refusals", (table) => last(found.map((r) => table.delete(r.number)))),
    );
  }

  // Keep what was decided, for undo; the oldest of many are forgotten.
  async addDecision(decision) {
    const owner = `${this.scope} ${this.tab}`;
    const number = await this.#write("decisions", (t) => t.add({ ...decision, scope: owner }));
    const kept = await this.#all("decisions", owner);
    const old = kept.slice(0, Math.max(0, kept.length - KEPT_DECISIONS)).map((d) => d.number);
    if (old.length) {
      await this.#write("decisions", (table) => last(old.map((n) => table.delete(n))));
    }
    return number;
  }

  decisions() {
    return this.#all("decisions", `${this.scope} ${this.tab}`);
  }

  removeDecision(number) {
    return this.#write("decisions", (table) => table.delete(number));
  }

  #all(name, scope) {
    const table = this.database.transaction(name).objectStore(name);
    return done(table.index("scope").getAll(scope));
  }

  async #write(name, use) {
    const transaction = this.database.transaction(name, "readwrite", { durability: "strict" });
    const request = use(transaction.objectStore(name));
    transaction.commit(); // now: even if the page is closed this very moment
    const committed = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    await committed;
    return request?.result;
  }
}

function opened() {
  const request = indexedDB.open(NAME, VERSION);
  request.onupgradeneeded = () => {
    for (const name of ["answers", "refusals", "decisions"]) {
      const options = { keyPath: "number", autoIncrement: true };
      request.result.createObjectStore(name, options).createIndex("scope", "scope");
    }
  };
  return done(request);
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function last(requests) {
  return requests[requests.length - 1];
}
