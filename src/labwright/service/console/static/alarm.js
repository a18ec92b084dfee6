// Alarms ring until each is silenced or gone; prompts never do.
"use strict";

const RING_MS = 5000;
const TONES_HZ = [880, 660, 880];
const TONE_S = 0.22;
const SILENCED = "labwright.silenced"; // for all tabs of this browser

let sound = null;
let rang = 0;

function alarms() {
  const bar = document.querySelector(".alarm-bar");
  return bar ? bar.dataset.alarms.split("|").filter(Boolean) : [];
}

function silenced() {
  try {
    return JSON.parse(localStorage.getItem(SILENCED) || "[]");
  } catch {
    return []; // another program has written there
  }
}

function ring() {
  TONES_HZ.forEach((hz, n) => {
    const tone = sound.createOscillator();
    const loud = sound.createGain();
    const at = sound.currentTime + n * TONE_S * 1.2;
    tone.frequency.value = hz;
    loud.gain.setValueAtTime(0.2, at);
    loud.gain.exponentialRampToValueAtTime(0.001, at + TONE_S);
    tone.connect(loud).connect(sound.destination);
    tone.start(at);
    tone.stop(at + TONE_S);
  });
}

function look() {
  const now = alarms();
  const quiet = silenced().filter((key) => now.includes(key)); // one that comes again rings again
  if (silenced().length !== quiet.length) localStorage.setItem(SILENCED, JSON.stringify(quiet));
  const loud = now.filter((key) => !quiet.includes(key));
  document.title = `${now.length ? `(${now.length}!) ` : ""}${document.title.replace(/^\(\d+!\) /, "")}`;
  const bar = document.querySelector(".alarm-bar");
  if (!bar) return;
  const plays = sound && sound.state === "running";
  bar.querySelector(".silence").hidden = !loud.length;
  bar.querySelector(".mute").hidden = !loud.length || plays;
  if (loud.length && plays && Date.now() - rang >= RING_MS) {
    rang = Date.now();
    ring();
  }
}

// A browser plays nothing before a person has touched the page.
function wake() {
  sound = sound || new AudioContext();
  if (sound.state !== "running") sound.resume().then(look);
}

for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, wake, true);
document.addEventListener("click", (event) => {
  if (!event.target.closest(".silence")) return;
  localStorage.setItem(SILENCED, JSON.stringify(alarms()));
  look();
});
document.addEventListener("htmx:sse:after:message", look);
document.addEventListener("DOMContentLoaded", () => {
  look();
  setInterval(look, 1000);
});
