// Draws the numbers of a reading with uPlot; the table below them needs no scripts.
"use strict";

const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--ink"];
const HEIGHT = 340;

async function draw(place) {
  const answer = await fetch(place.dataset.points);
  if (!answer.ok) return;
  const found = await answer.json();
  const styles = getComputedStyle(place);
  const colour = (name) => styles.getPropertyValue(name).trim();
  const axis = (label) => ({
    label,
    stroke: colour("--ink"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 },
    font: "13px system-ui, sans-serif",
    labelFont: "14px system-ui, sans-serif",
  });
  const inside = () => place.clientWidth - parseFloat(styles.paddingLeft) - parseFloat(styles.paddingRight);
  const lines = found.lines.map((one, n) => ({
    label: one.event ? found.event.replace("{n}", one.event) : place.dataset.y,
    stroke: colour(COLOURS[n % COLOURS.length]),
    width: 2,
    dash: n ? [2 + 3 * n, 3] : undefined,
  }));
  const swept = found.x[0] > 0 && found.x[found.x.length - 1] > 100 * found.x[0] && place.hasAttribute("data-over");
  const y = axis(place.dataset.y);
  y.size = 70;
  const x = axis(place.dataset.x);
  if (swept) x.values = (plot, at) => at.map((one) => (one === null ? "" : one < 1e5 ? String(one) : one.toExponential().replace("+", "")));
  const drawn = new uPlot(
    {
      width: inside(),
      height: HEIGHT,
      scales: { x: { time: false, distr: swept ? 3 : 1 } },
      padding: [null, 24, null, null], // the last number is wider than its place
      axes: [x, y],
      series: [{ label: place.dataset.x }, ...lines],
    },
    [found.x, ...found.lines.map((one) => one.y)],
    place,
  );
  new ResizeObserver(() => drawn.setSize({ width: inside(), height: HEIGHT })).observe(place);
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-points]").forEach(draw));
