// Says why there is nothing to label, for how long about, and goes on by itself when there is.

const REASONS = {
  selection: ["The next batch is being chosen", "The model learns from your labels. This page goes on by itself."],
  others: ["Others are at work on the last items", "More comes when they are done. This page goes on by itself."],
  retry: ["The selection has failed", "A lead of the project must look at it. This page goes on by itself."],
  pool_used_up: ["There is nothing left to label", "Every item was answered, skipped or cannot be read."],
  leases: ["You hold as many items as you may", "This page goes on by itself."],
  sending: ["Your last answers are being sent", "More items come when the service has them."],
  draft: ["The project has not started", "This page goes on by itself when a lead starts it."],
  paused: ["The project is paused", "This page goes on by itself when a lead resumes it."],
  training_target: ["All labels are in", "The final model is being trained. Thank you."],
  finished: ["The project is finished", "Thank you for your labels."],
  cancelled: ["The project was cancelled", "Thank you for your labels."],
};

export class Waiting {
  constructor(queue, element) {
    this.queue = queue;
    this.element = element;
    setInterval(() => this.element.hidden || this.#showSeconds(), 1000);
  }

  show() {
    const { waiting, current, isAway } = this.queue;
    this.element.hidden = current !== undefined;
    if (current !== undefined) {
      return;
    }
    const [title, words] = isAway
      ? ["The service does not answer", "Your answers are kept on this device. This page goes on by itself."]
      : (REASONS[waiting?.reason] ?? ["One moment", waiting?.detail ?? "The next items are fetched."]);
    this.#set(".waiting-title", title);
    this.#set(".waiting-words", waiting?.detail ?? words);
    this.#showSeconds();
  }

  #showSeconds() {
    const { waiting } = this.queue;
    const expected = waiting?.readyInSeconds;
    const left = expected ? Math.ceil(expected - (Date.now() - waiting.since) / 1000) : null;
    const words = left === null ? "" : left > 1 ? `Next batch in about ${left} s` : "Next batch in a moment";
    this.#set(".waiting-seconds", words);
  }

  #set(selector, words) {
    const place = this.element.querySelector(selector);
    if (place.textContent !== words) {
      place.textContent = words;
    }
  }
}
