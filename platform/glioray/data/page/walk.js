"use strict";
for (const walk of document.querySelectorAll(".walk")) {
  const frames = JSON.parse(walk.dataset.captions);
  const columns = Number(walk.dataset.columns);
  const lines = Number(walk.dataset.lines);
  const find = (selector) => walk.querySelector(selector);
  const [button, slider, text] = [find("button"), find("[name=frame]"), find("output")];
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const percent = (place, count) => (count > 1 ? (100 * place) / (count - 1) : 0) + "%";
  let timer = 0;
  let step = 1;

  function show(frame) {
    walk.style.setProperty("--x", percent(frame % columns, columns));
    walk.style.setProperty("--y", percent(Math.floor(frame / columns), lines));
    slider.value = frame;
    slider.setAttribute("aria-valuetext", frames[frame]);
    text.textContent = frames[frame];
  }
  function move(by) {
    show(Math.min(frames.length - 1, Math.max(0, Number(slider.value) + by)));
  }
  function tick() {
    const at = Number(slider.value);
    if (at >= frames.length - 1) step = -1;
    if (at <= 0) step = 1;
    move(step);
  }
  function play(on) {
    window.clearInterval(timer);
    timer = on ? window.setInterval(tick, 110) : 0;
    button.textContent = on ? "Pause" : "Play";
  }
  button.addEventListener("click", () => play(!timer));
  slider.addEventListener("input", () => { play(false); show(Number(slider.value)); });
  walk.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.target.name === "opacity") return;
    event.preventDefault();
    play(false);
    move(by);
  });
  find("[name=opacity]")?.addEventListener("input", (event) => {
    walk.style.setProperty("--opacity", event.target.value / 100);
  });
  for (const box of walk.querySelectorAll("[data-label]")) {
    box.addEventListener("change", () => {
      for (const layer of walk.querySelectorAll(".layer-" + box.dataset.label)) layer.hidden = !box.checked;
    });
  }
  find(".controls").hidden = false;
  if (!calm && "IntersectionObserver" in window) {
    // Starts once, when it is first in view.
    const watch = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) { watch.disconnect(); play(true); }
    }, { threshold: 0.5 });
    watch.observe(find(".windows"));
  }
}
