"use strict";
// Which model is asked, and what is said of it.
async function start() {
  try {
    const response = await call("/v1/models");
    if (response.status === 401) return;
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    state.models = (await response.json()).models;
    state.samples = await (await call("/samples")).json();
  } catch (error) {
    return showError("The models cannot be listed", `${error.message}. Reload the page in a moment.`);
  }
  at("model").replaceChildren();
  for (const model of state.models) {
    const verb = model.task === "classification" ? "classifies" : "segments";
    at("model").append(new Option(`${model.name} ${model.version}, ${verb}`, reference(model)));
  }
  chooseModel(reference(state.models[0]));
}

function chooseModel(wanted) {
  state.model = state.models.find((model) => reference(model) === wanted);
  const { channels, leak, synthetic } = state.model;
  at("synthetic").hidden = !synthetic;
  at("wanted").textContent = channels.length === 1
    ? "One slice as PNG, JPEG, TIFF, BMP, WebP, DICOM or .npy, of any size."
    : `One slice of ${channels.length} channels in this order: ${channels.map(words).join(", ")}. A TIFF with a page for each, or .npy`
      + (channels.length === 3 ? ", or an RGB picture of them." : ".")
      + " A volume as NIfTI, a file for each channel or one, or a zip of DICOM.";
  showSamples(state.model);
  showAbout(state.model);
  at("leak").hidden = !leak;
  at("leak").textContent = leak ?? "";
  at("card").open = false;
  at("card-text").replaceChildren();
  if (state.files) ask();
}

function showSamples({ task, channels }) {
  const fitting = state.samples.filter((sample) => sample.task === task && channels.every((name) => name in sample.files));
  const buttons = fitting.map((sample) => {
    const button = make("button", "small", words(sample.title));
    button.type = "button";
    button.addEventListener("click", () => takeSample(sample));
    return button;
  });
  at("samples").replaceChildren(at("samples").firstElementChild, ...buttons);
  at("samples").hidden = !buttons.length;
}

async function takeSample(sample) {
  const files = state.model.channels.map(async (channel) => {
    const address = sample.files[channel];
    return new File([await (await call(address)).blob()], address.split("/").pop());
  });
  take(await Promise.all(files));
}

function showAbout(model) {
  const rows = [
    ["Name", `${model.name}, version ${model.version}`],
    ["Architecture", `${model.architecture}, ${model.image_size} px`],
    ["Reads", model.channels.map(words).join(", ")],
    ["Answers", (model.task === "classification" ? model.classes : Object.keys(model.labels)).map(words).join(", ")],
    ["Learned from", `data ${model.data_fingerprint}${model.synthetic ? ", synthetic: a phantom, not patients" : ""}`],
    ...scoreRows(model.scores),
  ];
  at("about").replaceChildren(...rows.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
}

function scoreRows(scores) {  // where they were measured is said once where it is the same for all
  const said = scores.filter(({ name }) => !name.includes("/") && !name.startsWith("median")).slice(0, 5);
  const places = said.map(({ split, units, unit }) => `${split}, ${counted(units, unit)}`);
  const isOnePlace = new Set(places).size === 1;
  const rows = said.map(({ name, value, low, high }, index) => {
    const interval = low === null || high === null ? "" : ` [${low.toFixed(3)}, ${high.toFixed(3)}]`;
    return [words(name), `${value === null ? "undefined" : value.toFixed(3)}${interval}${isOnePlace ? "" : `, ${places[index]}`}`];
  });
  return [["Scores", said.length ? (isOnePlace ? `on ${places[0]}` : "with their 95 % intervals") : "none yet"], ...rows];
}

async function showCard() {
  if (!at("card").open || at("card-text").hasChildNodes()) return;
  const { model } = state;
  const response = await call(`/v1/models/${encodeURIComponent(reference(model))}/card`);
  const text = response.ok ? await response.text() : "The card cannot be read. Try again in a moment.";
  if (state.model === model) at("card-text").replaceChildren(...markdown(text));
}
