"use strict";
// What every part of the page shares: the data, elements, numbers in words, the tip, the theme.
// Text from the data only ever enters as text nodes and attributes, never as markup.

const DATA = JSON.parse(document.getElementById("page-data").textContent);

const missing = (value) => value === null || value === undefined;
const unpack = ({ columns, rows }) =>
  rows.map((row) => Object.fromEntries(columns.map((name, n) => [name, row[n]])));
const MARKS = unpack(DATA.marks);
const MEANS = MARKS.filter((mark) => mark.mark === "mean");
const RECORDS = new Map(DATA.runs.map((run) => [run.record.fingerprint, run]));
const BY_ID = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (missing(value) || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => !missing(child)));
  return node;
}

const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// Numbers and names

const fraction = (value) => (missing(value) ? "–" : value.toFixed(4));
const significant = (value) => (missing(value) ? "–" : Number(value.toPrecision(3)));
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(4);
const whole = (value) => (missing(value) ? "–" : value.toLocaleString("en"));
const metricName = (name) => name.toUpperCase();

function probability(p) {
  if (missing(p)) return "–";
  return p < 0.001 ? "< 0.001" : p < 0.1 ? p.toPrecision(2) : p.toFixed(2);
}

/** 1234567 -> "1.23M". */
function short(value) {
  if (missing(value)) return "–";
  const units = ["", "k", "M", "B", "T", "P", "E"];
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < units.length - 1)
    [value, unit] = [value / 1000, unit + 1];
  return `${Number(value.toPrecision(3))}${units[unit]}`;
}

/** Seconds as people say them. */
function duration(seconds) {
  if (missing(seconds)) return "–";
  if (seconds < 100) return `${Number(seconds.toPrecision(2))} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function unique(values) {
  return [...new Set(values)];
}

/** The runs of an arm, as MARKS has them. */
function seedsOf(mark) {
  return MARKS.filter(
    (other) =>
      other.mark === "seed" &&
      other.metric === mark.metric &&
      other.dataset === mark.dataset &&
      other.backbone === mark.backbone &&
      other.arm === mark.arm,
  );
}

// The tip: what the pointer or the focus is on

const TIP = BY_ID("tip");

function showTip(lines, anchor) {
  TIP.replaceChildren(...lines.map(([text, kind]) => el("div", { class: kind }, text)));
  TIP.hidden = false;
  const box = anchor.getBoundingClientRect();
  const left = Math.min(
    Math.max(8, box.left + box.width / 2 - TIP.offsetWidth / 2),
    document.documentElement.clientWidth - TIP.offsetWidth - 8,
  );
  const above = box.top - TIP.offsetHeight - 10;
  TIP.style.left = `${left + window.scrollX}px`;
  TIP.style.top = `${(above < 4 ? box.bottom + 10 : above) + window.scrollY}px`;
}

function hideTip() {
  TIP.hidden = true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});

// Light, dark, or as the system has it

const THEMES = { auto: "as the system has them", light: "light", dark: "dark" };

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  const button = BY_ID("theme");
  button.textContent = name[0].toUpperCase() + name.slice(1);
  button.setAttribute("aria-label", `Colours: ${THEMES[name]}`);
}

BY_ID("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const now = document.documentElement.dataset.theme;
  setTheme(names[(names.indexOf(now) + 1) % names.length]);
});
setTheme("auto");

// Controls

/** A labelled choice; `choices` maps values to words. */
function choice(label, choices, value, onchange) {
  const select = el(
    "select",
    { onchange: () => onchange(select.value) },
    Object.entries(choices).map(([key, text]) =>
      el("option", { value: key, selected: key === value }, text),
    ),
  );
  return el("label", {}, el("span", {}, label), select);
}
