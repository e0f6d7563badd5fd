// The dialogs: why an item is skipped, what is said of it, and the help.

// Ask for a reason, a comment or nothing; resolves with the form's values, or null.
export function ask(id) {
  const dialog = document.getElementById(id);
  const form = dialog.querySelector("form");
  form.reset();
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => {
    const close = () => {
      const values = Object.fromEntries(new FormData(form));
      answer(dialog.returnValue === "send" ? values : null);
    };
    dialog.addEventListener("close", close, { once: true });
  });
}

// In the skip dialog a digit chooses its reason and sends; elsewhere digits are text.
export function sendByDigit(dialog) {
  dialog.addEventListener("keydown", (event) => {
    const choice = dialog.querySelectorAll("input[type=radio]")[Number(event.key) - 1];
    if (choice && event.target.type !== "text") {
      event.preventDefault();
      choice.checked = true;
      dialog.close("send");
    }
  });
}
