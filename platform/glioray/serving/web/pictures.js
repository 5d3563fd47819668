"use strict";
// The pictures of an answer, side by side, with its labels over those that show the scan.
async function show() {  // the slice that is chosen, with what the switch adds; the newest call wins
  const { answer, slice } = state, shown = answer.slices ? answer.slices[slice] : answer;
  const isStale = () => state.answer !== answer || state.slice !== slice;
  let views = null;
  try {
    if (at("more-box").checked && !at("more").hidden) views = await (answer.slices ? sequences(slice) : explained(answer));
  } catch (error) {
    if (isStale()) return;
    at("more-box").checked = false;
    note(error.message);
  }
  views ??= [{ name: "", image: await load(shown.picture), isLabeled: true }];
  if (isStale()) return;
  at("more-caveat").hidden = views.length === 1;
  at("more-caveat").textContent = more().caveat;
  state.views = views;
  draw();
}

async function sequences(slice) {  // a volume in every channel: the server has read them, whatever the files' format
  const { pictures } = await granted(await call(`${state.job}/slices/${slice}`));
  return Promise.all(Object.entries(pictures).map(async ([name, picture]) => (
    { name: words(name), image: await load(picture), isLabeled: true }
  )));
}

async function explained(answer) {  // the slice, and beside it what the model can show of its answer
  const { name, wish, find } = more();
  answer.added ??= find(await granted(await post({ picture: "true", ...wish() })));
  if (!answer.added) throw new Error("This model gave no such picture.");
  return [
    { name: "slice", image: await load(answer.picture), isLabeled: true },
    { name, image: await load(answer.added), isLabeled: false },
  ];
}

async function granted(response) {
  const content = await response.json();
  if (!response.ok) throw new Error(`${content.title}. ${content.detail}`);
  return content;
}

function note(problem) {
  at("more-problem").textContent = problem;
  at("more-problem").hidden = !problem;
}

function turnTo(number) {
  if (!state.answer?.slices || number < 0 || number >= state.answer.slices.length) return;
  state.slice = number;
  show();
}

function draw() {
  const { answer, views, slice } = state;
  at("views").replaceChildren(...views.map((view) => {
    const figure = make("figure"), canvas = picture(view);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${view.name || "slice"}${mask() && view.isLabeled ? " with its labels" : ""}`);
    figure.append(canvas);
    if (view.name) figure.append(make("figcaption", "", view.name));
    return figure;
  }));
  at("views").dataset.count = views.length;
  if (!answer.slices) return;
  at("slice").value = slice;
  at("place").textContent = `${slice + 1} of ${answer.slices.length}`;
}

function picture({ image, isLabeled }) {
  const canvas = make("canvas"), context = canvas.getContext("2d");
  const [, row_mm, column_mm] = state.answer.spacing_mm ?? [1, 1, 1];
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.style.aspectRatio = `${canvas.width * column_mm} / ${canvas.height * row_mm}`;  // as wide as the head is
  context.drawImage(image, 0, 0);
  if (!mask() || !isLabeled) return canvas;
  const layer = new OffscreenCanvas(canvas.width, canvas.height);
  layer.getContext("2d").putImageData(paint(canvas.width, canvas.height), 0, 0);
  context.globalAlpha = at("alpha").value / 100;
  context.drawImage(layer, 0, 0);
  return canvas;
}

function mask() {
  return state.answer.slices ? state.answer.slices[state.slice] : state.answer.mask;
}

function paint(width, height) {
  const pixels = new ImageData(width, height), words32 = new Uint32Array(pixels.data.buffer);
  const colors = new Map();
  for (const [name, area] of Object.entries(state.answer.labels)) {
    const rgb = parseInt(state.model.colors[name].slice(1), 16);
    const bgr = ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16);
    if (!state.hidden.has(name)) colors.set(area.value, (0xff000000 | bgr) >>> 0);
  }
  let start = 0;
  const { values, counts } = mask();
  values.forEach((value, index) => {
    const end = start + counts[index];
    if (colors.has(value)) words32.fill(colors.get(value), start, end);
    start = end;
  });
  return pixels;
}
