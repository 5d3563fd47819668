"use strict";
// Scans go to the server, and answers come back.
function take(files) {
  if (!files?.length || !state.model) return;
  state.files = [...files];
  ask();
}

async function ask() {
  state.asking?.abort();
  const { signal } = state.asking = new AbortController();
  for (const id of ["error", "empty", "result"]) at(id).hidden = true;
  at("views").replaceChildren();
  state.answer = null;
  note("");
  at("viewer").hidden = false;
  showProgress({});
  at("name").textContent = at("name").title = state.files.map((file) => file.name).join(", ");
  endJob();
  try {
    let response = await post({ picture: "true" }, signal);
    if (response.status === 202) response = await follow(response, signal);
    if (response.status === 401) return;
    const content = await response.json();
    if (!response.ok) return showError(content.title, content.detail);
    if (!signal.aborted) await showAnswer(content);
  } catch (error) {
    if (error.name !== "AbortError") showError("The server does not answer", "Is it still running? Then send the scan again.");
  } finally {
    if (state.asking?.signal === signal) at("progress").hidden = true;
  }
}

function post(wishes, signal) {  // a form carries the files' names, which errors then say; of several each part is a sequence
  const { files, model } = state, body = new FormData();
  for (const file of files) body.append(files.length === 1 ? "file" : sequence(file.name), file);
  const route = model.task === "classification" ? "classify" : "segment";
  const query = new URLSearchParams({ model: reference(model), ...wishes });
  return call(`/v1/${route}?${query}`, { method: "POST", body, signal, headers: { Prefer: "respond-async" } });
}

function sequence(name) {  // the channel that a file's name ends with, or its last word, which may be another spelling
  const stem = name.toLowerCase().replace(/\.(nii|gz|dcm|npy)/g, "").replace(/[^a-z0-9]+/g, "_");
  const channels = state.model.channels.filter((channel) => `_${stem}`.endsWith(`_${channel}`));
  return channels.sort((one, other) => other.length - one.length)[0] ?? stem.split("_").pop();
}

async function follow(accepted, signal) {  // a volume is a job: its progress, then its result
  const address = state.job = accepted.headers.get("Location");
  for (;;) {
    const status = await (await call(address, { signal })).json();
    if (status.state === "done" || status.state === "failed") return call(`${address}/result?picture=true`, { signal });
    showProgress(status);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

function showProgress({ state: step, slices, slices_done }) {
  at("progress").hidden = false;
  if (slices) Object.assign(at("progress"), { max: slices, value: slices_done });
  else at("progress").removeAttribute("value");
  if (step) at("name").textContent = slices ? `${slices_done} of ${slices} slices` : step === "queued" ? "waiting for its turn" : "being read";
}

function endJob() {
  if (state.job) call(state.job, { method: "DELETE" }).catch(() => {});
  state.job = null;
}

async function saveMask() {
  const response = await call(`${state.job}/result`, { headers: { Accept: "application/gzip" } });
  if (!response.ok) return showError("The mask is not kept any more", "Send the volume again.");
  const link = make("a", "");
  link.href = URL.createObjectURL(await response.blob());
  link.download = "mask.nii.gz";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
