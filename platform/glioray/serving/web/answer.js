"use strict";
// An answer in words and figures.
const MORE = {  // what a switch beside the answer adds to the pictures
  classification: {
    label: "Where did it look", name: "where it looked", 
    wish: () => ({ explain: state.model.explanations[0] ?? "gradcam" }),
    find: (answer) => answer.explanation?.overlay,
    caveat: "The more orange, the more it counted for the class. It shows what the model used, not where a tumor is.",
  },
  segmentation: {
    label: "Where is it unsure", name: "how unsure", wish: () => ({ uncertainty: "true" }),
    find: (answer) => answer.uncertainty,
    caveat: "The brighter, the more the model wavers. It is no probability of an error.",
  },
  volume: { label: "Every sequence", caveat: "Each sequence is drawn on one scale over the whole volume." },
};

async function showAnswer(answer) {
  const isClass = "probabilities" in answer, isVolume = Boolean(answer.slices), { model } = state;
  Object.assign(state, { answer, slice: answer.fullest_slice ?? 0, hidden: new Set() });
  at("timing").textContent = `${answer.model}, version ${answer.version}, in ${answer.elapsed_ms.toFixed(0)} ms`;
  at("question").textContent = isClass ? "Most probable class" : "Labels found";
  isClass ? showClasses(answer) : showLabels(answer);
  at("opacity").hidden = isClass;
  at("leaf").hidden = at("mask").hidden = !isVolume;
  if (isVolume) at("slice").max = answer.slices.length - 1;
  at("more-name").textContent = more().label;
  at("more").hidden = isVolume && model.channels.length === 1;
  at("name").textContent = state.files.map((file) => file.name).join(", ");
  at("stranger").hidden = answer.in_domain !== false;
  const calibrated = model.calibration ? "calibrated on validation images" : "the model's own, not calibrated";
  at("caveat").textContent = `${isClass ? `The percentages are ${calibrated}. ` : ""}${answer.notice}`;
  await show();
  at("result").hidden = false;
}

function showClasses(answer) {
  at("answer").textContent = words(answer.label);
  const sorted = Object.entries(answer.probabilities).sort((one, other) => other[1] - one[1]);
  at("rows").replaceChildren(...sorted.map(([name, share]) => {
    const row = make("li", name === answer.label ? "row top" : "row");
    const track = make("div", "track"), fill = make("div", "fill");
    fill.style.width = `${share * 100}%`;
    track.append(fill);
    row.append(make("span", "", words(name)), make("span", "amount", percent(share)), track);
    return row;
  }));
}

function showLabels(answer) {
  const found = Object.entries(answer.labels).filter(([, area]) => (area.pixels ?? area.voxels) > 0);
  at("answer").textContent = found.length ? found.map(([name]) => words(name)).join(", ") : "none";
  const rows = Object.entries(answer.labels).map(([name, area]) => {
    const row = make("li", "row"), label = make("label"), box = make("input"), swatch = make("span", "swatch");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => { box.checked ? state.hidden.delete(name) : state.hidden.add(name); draw(); });
    swatch.style.background = state.model.colors[name];
    label.append(box, swatch, make("span", "", words(name)));
    row.append(label, make("span", "amount", amount(area)));
    return row;
  });
  const regions = Object.entries(answer.regions ?? {}).map(([name, region]) => {
    const row = make("li", "row"), parts = state.model.regions[name].map(words).join(" + ");
    row.append(make("span", "", `${words(name)}, ${parts}`), make("span", "amount", amount(region)));
    return row;
  });
  at("rows").replaceChildren(...rows, ...regions);
}

function amount(area) {
  if (area.voxels === undefined) return `${area.pixels.toLocaleString("en")} px, ${percent(area.area_share)}`;
  if (area.volume_ml == null) return `${area.voxels.toLocaleString("en")} voxels`;
  return `${area.volume_ml.toFixed(area.volume_ml < 10 ? 2 : 1)} ml`;
}

function more() {
  return MORE[state.answer.slices ? "volume" : state.model.task];
}
