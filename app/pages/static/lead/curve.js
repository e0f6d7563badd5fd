// The learning curve: accuracy of proxies with intervals (evaluation split and control arm), target
// points, and the accuracy that the next batch is expected to bring.

const figure = document.querySelector("[data-curve]");
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const cap = (share) => Math.min(100, Math.max(0, 100 * share));
let plot = null;

async function read(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  return answer.ok ? answer.json() : null;
}

async function draw() {
  const [curve, advice] = await Promise.all([read(figure.dataset.curve), read(figure.dataset.advice)]);
  if (!curve || !advice) return;
  const targets = curve.filter((one) => one.role === "target" && one.accuracy !== null);
  const measured = advice.rounds.filter((one) => one.evaluation || one.control);
  const place = figure.querySelector(".plot");
  if (!measured.length && !targets.length) {
    place.replaceChildren();
    figure.querySelector("figcaption").textContent =
      "Nothing is measured yet: the first point comes with the second round, if the project has an evaluation split or a control arm.";
    return;
  }
  const gain = advice.expected_gain;
  const base = gain && last(measured, advice.measured_on);
  const xs = [...new Set([...measured.map((one) => one.n_labeled), ...targets.map((one) => one.n_labeled), ...(base ? [gain.n_from, gain.n_to] : [])])].sort((a, b) => a - b);
  const at = (pairs) => xs.map((x) => (pairs.has(x) ? pairs.get(x) : null));
  const of = (kind, value) => at(new Map(measured.filter((one) => one[kind]).map((one) => [one.n_labeled, 100 * one[kind][value]])));
  const forecast = new Map(base ? [[gain.n_from, 100 * base], [gain.n_to, cap(base + gain.expected)]] : []);
  const forecastLow = new Map(base ? [[gain.n_from, 100 * base], [gain.n_to, cap(base + gain.low)]] : []);
  const forecastHigh = new Map(base ? [[gain.n_from, 100 * base], [gain.n_to, cap(base + gain.high)]] : []);
  const data = [
    xs,
    of("evaluation", "accuracy"), of("evaluation", "low"), of("evaluation", "high"),
    of("control", "accuracy"), of("control", "low"), of("control", "high"),
    at(forecast), at(forecastLow), at(forecastHigh),
    at(new Map(targets.map((one) => [one.n_labeled, 100 * one.accuracy]))),
  ];
  show(place, data);
  figure.querySelector("figcaption").textContent = told(measured, targets, base, gain);
}

function last(measured, kind) {
  const shares = measured.map((one) => one[kind]).filter(Boolean);
  return shares.length ? shares.at(-1).accuracy : null;
}

function told(measured, targets, base, gain) {
  const words = ["Accuracy in percent by number of labels, with 95% intervals."];
  if (targets.length) words.push(`The target reached ${(100 * targets.at(-1).accuracy).toFixed(1)} %.`);
  if (base) words.push(`Dashed: what ${gain.n_to} labels are expected to bring.`);
  return words.join(" ");
}

function show(place, data) {
  plot?.destroy();
  const ink = style("--ink"), line = style("--line"), accent = style("--accent"), warn = style("--warn"), good = style("--good"), muted = style("--muted");
  const edge = { show: false, points: { show: false }, spanGaps: true };
  const soft = (color) => `color-mix(in srgb, ${color} 18%, transparent)`;
  const axis = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { stroke: line } };
  const some = (i) => data[i].some((value) => value !== null);
  plot = new uPlot(
    {
      width: place.clientWidth || 600,
      height: Math.min(360, Math.max(220, place.clientWidth * 0.4)),
      scales: { x: { time: false }, y: { range: (_, low, high) => [Math.max(0, Math.floor(low - 1)), Math.min(100.5, Math.ceil(high + 1))] } },
      axes: [{ ...axis, label: "labels", labelSize: 20 }, { ...axis, size: 50, values: (_, vs) => vs.map((v) => `${v} %`) }],
      legend: { show: true, live: false },
      cursor: { drag: { x: false, y: false } },
      series: [
        { label: "labels" },
        { label: "evaluation", stroke: accent, width: 2, show: some(1), spanGaps: true, points: { show: true, size: 7, fill: accent } },
        edge, edge,
        { label: "control arm", stroke: warn, width: 2, show: some(4), spanGaps: true, points: { show: true, size: 7, fill: warn } },
        edge, edge,
        { label: "expected", stroke: muted, width: 2, dash: [6, 5], show: some(7), spanGaps: true, points: { show: false } },
        edge, edge,
        { label: "target", stroke: good, width: 0, show: some(10), points: { show: true, size: 11, fill: good } },
      ].map((one, i) => (one === edge ? { ...edge, label: `interval ${i}`, stroke: ink, width: 0, show: true } : one)),
      bands: [
        { series: [3, 2], fill: soft(accent) },
        { series: [6, 5], fill: soft(warn) },
        { series: [9, 8], fill: soft(muted) },
      ],
    },
    data,
    place,
  );
  // The edges of intervals are no entries of the legend.
  place.querySelectorAll(".u-legend .u-series").forEach((row, i) => {
    if (![1, 4, 7, 10].includes(i + 1) || !some(i + 1)) row.hidden = true;
  });
}

if (figure) {
  let due = null;
  draw();
  document.addEventListener("svp:event", () => {
    due ??= setTimeout(() => { due = null; draw(); }, 2000);
  });
  addEventListener("resize", () => { clearTimeout(due); due = setTimeout(() => { due = null; draw(); }, 300); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
