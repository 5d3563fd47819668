"use strict";
// What a person does.
at("model").addEventListener("change", (event) => chooseModel(event.target.value));
at("card").addEventListener("toggle", showCard);
for (const id of ["drop", "again"]) at(id).addEventListener("click", () => at("file").click());
at("file").addEventListener("change", (event) => { take(event.target.files); event.target.value = ""; });
at("alpha").addEventListener("input", draw);
at("more-box").addEventListener("change", () => { note(""); show(); });
at("mask").addEventListener("click", saveMask);
at("slice").addEventListener("input", () => turnTo(at("slice").valueAsNumber));
document.addEventListener("keydown", (event) => {
  const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
  const isTyped = event.target.matches("select, input:not([type=checkbox])");
  if (!step || isTyped || at("viewer").hidden || !state.answer?.slices) return;
  event.preventDefault();
  turnTo(state.slice + step);
});
at("key-form").addEventListener("submit", useKey);
document.addEventListener("paste", (event) => take(event.clipboardData?.files));
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    for (const id of ["drop", "stage"]) at(id).classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files);
  });
}
start();
