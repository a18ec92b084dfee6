// What the pages need beside htmx: that silence is seen, and that a form which is sent again is another request.
"use strict";

const SILENT_MS = 12000; // the service beats every 5 s

function time() {
  const now = new Date();
  const minutes = -now.getTimezoneOffset();
  const two = (n) => String(Math.floor(Math.abs(n))).padStart(2, "0");
  const offset = `${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())} ${offset}`;
}

function watchNews() {
  const news = document.getElementById("news");
  const live = document.getElementById("live");
  if (!news || !live) return;
  const words = news.querySelector(".news-words");
  let heard = Date.now();
  let at = time();
  let lost = false;
  const show = () => {
    const old = lost || Date.now() - heard > SILENT_MS;
    const text = (lost ? news.dataset.lost : old ? news.dataset.old : news.dataset.fresh).replace("{at}", at);
    if (words.textContent !== text) words.textContent = text;
    news.classList.toggle("old", old);
  };
  const hear = () => {
    heard = Date.now();
    at = time();
    lost = false;
    show();
  };
  live.addEventListener("beat", hear);
  live.addEventListener("htmx:sse:after:message", hear);
  live.addEventListener("htmx:sse:error", () => {
    lost = true;
    show();
  });
  live.addEventListener("htmx:sse:close", () => {
    lost = true;
    show();
  });
  setInterval(show, 1000);
}

// A form is one request, however often it is sent, until an answer has come; then it asks for something new.
function named(form) {
  const key = form && form.querySelector("input[data-key]");
  if (key && !key.value) key.value = crypto.randomUUID();
}
document.addEventListener("submit", (event) => named(event.target), true);
// A button with an address of its own sends before its form is submitted.
document.addEventListener("click", (event) => named((event.target.closest("button") || {}).form), true);
document.addEventListener("htmx:after:request", (event) => {
  const form = event.target.closest && event.target.closest("form");
  const key = form && form.querySelector("input[data-key]");
  const ctx = event.detail && event.detail.ctx;
  if (key && ctx && ctx.response) key.value = "";
  if (form && "fresh" in form.dataset && ctx && /class="said ok"/.test(ctx.text || "")) form.reset(); // or it is sent twice
});

// What a person has opened stays open when the page is written again.
const opened = new Set();
document.addEventListener(
  "toggle",
  (event) => {
    const one = event.target;
    if (one.id && one.tagName === "DETAILS") one.open ? opened.add(one.id) : opened.delete(one.id);
  },
  true,
);
document.addEventListener("htmx:sse:after:message", () => {
  for (const id of opened) {
    const one = document.getElementById(id);
    if (one && !one.open) one.open = true;
  }
});

document.addEventListener("DOMContentLoaded", watchNews);
