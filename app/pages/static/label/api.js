// Calls the JSON API with the browser's cookie. Every failure is one of three kinds: `Away` (try
// again later), `SignedOut`, or `Refused` (trying again would change nothing).

export class Away extends Error {}
export class SignedOut extends Error {}
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.code = problem.code;
  }
}

const PATIENCE_MS = 15_000;
const LATER = new Set([408, 429, 500, 502, 503, 504, 507]);

export class Api {
  constructor(root) {
    this.root = root; // such as /svp/api/v1/projects/3
  }

  get(path) {
    return this.#ask("GET", path);
  }

  post(path, body) {
    return this.#ask("POST", path, body);
  }

  // Sends even while the page is being left; nobody waits for the answer.
  postAndLeave(path, body) {
    const options = { ...withBody("POST", body), keepalive: true };
    fetch(this.root + path, options).catch(() => {});
  }

  async #ask(method, path, body) {
    let answer;
    const options = body === undefined ? { method } : withBody(method, body);
    try {
      answer = await fetch(this.root + path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.ok) {
        return { body: await answer.json(), headers: answer.headers };
      }
    } catch (error) {
      throw new Away(String(error));
    }
    const problem = await answer.json().catch(() => ({ detail: `status ${answer.status}` }));
    if (answer.status === 401) {
      throw new SignedOut(problem.detail);
    }
    throw LATER.has(answer.status) ? new Away(problem.detail) : new Refused(problem);
  }
}

function withBody(method, body) {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}
