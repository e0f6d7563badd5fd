// What the pages for labeling share: the project, the person, the store and the connection.

import { Api } from "./api.js";
import { Outbox } from "./outbox.js";
import { Status } from "./status.js";
import { Store } from "./store.js";

export async function begin() {
  const data = document.getElementById("labeling").dataset;
  const scope = `${data.project} ${data.person}`;
  const api = new Api(data.api);
  const store = await Store.open(scope, await ownTab());
  const outbox = new Outbox(api, store);
  const status = new Status(outbox, store);
  const classList = JSON.parse(data.classes);
  const classes = classList.map((each) => each.name);
  return { api, classes, classList, outbox, scope, status, store, project: data.project };
}

export async function showProgress(api, status, outbox) {
  try {
    const { body } = await api.get("/progress");
    const waiting = (await outbox.store.answers()).filter((answer) => answer.kind === "label");
    status.done = body.n_labeled + waiting.length;
    status.count(0);
  } catch {
    status.count(0); // the banner says what is wrong
  }
}

// The number of this tab, which a reload keeps. A copied tab brings its number along: it takes a
// new one, as the first answers.
async function ownTab() {
  const channel = new BroadcastChannel("svp tabs");
  let tab = sessionStorage.getItem("svp tab");
  if (tab !== null && (await isTaken(channel, tab))) {
    tab = null;
  }
  tab ??= String(Math.random()).slice(2);
  sessionStorage.setItem("svp tab", tab);
  channel.onmessage = ({ data }) => data.asks === tab && channel.postMessage({ has: tab });
  return tab;
}

function isTaken(channel, tab) {
  return new Promise((answer) => {
    channel.onmessage = ({ data }) => data.has === tab && answer(true);
    channel.postMessage({ asks: tab });
    setTimeout(answer, 60, false);
  });
}

// The classes as they are now, in the order shown; somebody may have changed them meanwhile.
export async function currentClasses(api) {
  const { body } = await api.get("");
  if (body.class_list) {
    return body.class_list.filter((each) => !each.is_retired); // as leads see the project
  }
  return body.classes.map((name) => ({ name, hint: body.class_hints[name] ?? "" }));
}
