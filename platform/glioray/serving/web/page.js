"use strict";
// What all of the page needs: its state, its words, and the way to the server.
const at = (id) => document.getElementById(id);
const words = (name) => (name === "notumor" ? "no tumor" : name.replaceAll("_", " "));
const counted = (number, units) => `${number.toLocaleString("en")} ${number === 1 ? units.replace(/s$/, "") : units}`;
const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 2 : 1)} %`;
const reference = (model) => `${model.name}@${model.version}`;
const state = {
  models: [], model: null, samples: [], files: null, asking: null, job: null,
  answer: null, slice: 0, hidden: new Set(),
  views: [],  // pictures side by side: { name, image, isLabeled }
};

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

async function call(path, options = {}) {
  const key = sessionStorage.getItem("glioray-key");
  const response = await fetch(path, { ...options, headers: { ...options.headers, ...(key ? { "X-API-Key": key } : {}) } });
  if (response.status === 401) askForKey(key !== null);
  return response;
}

function askForKey(isRefused) {
  at("key-hint").textContent = isRefused
    ? "The key is not valid, or not any more. Whoever runs the service has another."
    : "Whoever runs the service has one for you. It is kept until you close this tab.";
  for (const id of ["empty", "viewer", "result", "error"]) at(id).hidden = true;
  at("key").hidden = false;
  at("key-input").value = "";
  at("key-input").focus();
}

function useKey(event) {
  event.preventDefault();
  sessionStorage.setItem("glioray-key", at("key-input").value);
  at("key").hidden = true;
  at("empty").hidden = false;
  start();
}

function showError(title, detail) {
  at("error").firstElementChild.textContent = title;
  at("error").lastElementChild.textContent = detail;
  at("error").hidden = at("empty").hidden = false;
  at("result").hidden = at("viewer").hidden = true;
  state.files = state.answer = null;
}

function load(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("the picture is damaged"));
    image.src = address;
  });
}
