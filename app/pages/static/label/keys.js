// Which key stands for which class: 1 to 9, 0, then letters in the order of the alphabet. Where
// every class is called by one of these characters, as digits are, each has its own.

const DIGITS = "1234567890";
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const CLASS_KEYS = [...DIGITS, ...LETTERS];

// The keys of these classes, in their order; undefined for those that have none.
export function keysOf(classes) {
  const own = classes.map((name) => name.toLowerCase());
  const areKeys = new Set(own).size === own.length && own.every((key) => CLASS_KEYS.includes(key));
  return areKeys ? own : classes.map((_, i) => CLASS_KEYS[i]);
}

// The class of a key press; undefined: it stands for none.
export function classOfKey(event, classes) {
  if (event.shiftKey) {
    return undefined;
  }
  const byDigit = /^(Digit|Numpad)(\d)$/.exec(event.code)?.[2]; // on every keyboard layout
  const place = keysOf(classes).indexOf(byDigit ?? event.key.toLowerCase());
  return place < 0 ? undefined : classes[place];
}

// Whether a key press belongs to a field, a dialog or the browser.
export function isForOthers(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
    return true;
  }
  const where = event.target;
  return where.closest?.("input, textarea, select, dialog, summary, a") !== null;
}
