// The list of items: fields left empty stay out of the address; what happens to many items is asked
// about once, with what will be lost.

const filter = document.querySelector("[data-filter]");
filter?.addEventListener("submit", () => {
  for (const field of filter.elements) {
    if (field.name && !field.value) field.disabled = true;
  }
  setTimeout(() => { for (const field of filter.elements) field.disabled = false; });
});

const form = document.querySelector("[data-bulk]");
const LOST = {
  requeue: "All labels of these items are withdrawn (their history stays), and annotators label them again.",
  remove_gold: "The items leave the gold set, and the answers that annotators gave to them as gold are deleted.",
  decide: "Your class counts instead of the annotators' labels, which stay as history.",
};
if (form) {
  const action = form.querySelector("[name=action]");
  const dialog = form.querySelector("[data-ask]");
  const boxes = () => [...form.querySelectorAll("[name=item]")];
  const count = form.querySelector("[data-count]");
  const all = form.querySelector("[data-all]");
  const tell = () => {
    if (!action) return;
    const n = boxes().filter((box) => box.checked).length;
    count.textContent = n ? `${n} selected` : "none selected";
    form.querySelector("[data-do]").disabled = !n;
    form.querySelector("[data-class]").hidden = action.value !== "decide";
  };
  form.addEventListener("change", tell);
  if (all) {
    all.hidden = !boxes().length;
    all.addEventListener("click", () => {
      const wanted = boxes().some((box) => !box.checked);
      for (const box of boxes()) box.checked = wanted;
      tell();
    });
  }
  let isSure = false;
  form.addEventListener("submit", (event) => {
    const lost = LOST[action.value];
    if (isSure || !lost) return;
    event.preventDefault();
    dialog.querySelector("[data-words]").textContent = `${count.textContent}. ${lost}`;
    dialog.showModal();
  });
  dialog?.querySelector("[data-no]").addEventListener("click", () => dialog.close());
  dialog?.querySelector("[data-yes]").addEventListener("click", () => { isSure = true; form.requestSubmit(); });
  tell();
}
