// The page: its dials and scenes, and the loop that trains and draws.
"use strict";

const $ = (id) => document.getElementById(id);

/** An element with properties and children. */
function make(tag, properties = {}, ...children) {
  const { style, ...others } = properties;
  const made = Object.assign(document.createElement(tag), others);
  if (style) for (const [name, value] of Object.entries(style)) made.style.setProperty(name, value);
  made.append(...children);
  return made;
}

// A rule has a colour, a pattern of its line, and a short name at its end: none of these is needed to read the others.
const ABOUT = {
  none: { name: "none", title: "No signal", line: "only the output layer learns", colour: "--s7", dash: [2, 2] },
  bp: { name: "BP", title: "Backpropagation", line: "delta @ W.T", colour: "--s0", dash: [] },
  fa: { name: "FA", title: "Feedback alignment", line: "delta @ B", colour: "--s1", dash: [8, 3] },
  dfa: { name: "DFA", title: "Direct FA", line: "e @ B", colour: "--s2", dash: [3, 3] },
  usf: { name: "SS", title: "Sign-symmetric", line: "delta @ sign(W.T)", colour: "--s3", dash: [10, 3, 2, 3] },
  kp: { name: "KP", title: "Kolen–Pollack", line: "delta @ B; B learns", colour: "--s4", dash: [14, 4] },
};
const STRUCTURES = { full: "random", sparse: "random, one entry in four", aligned: "half the initial weights, half random" };
const MOST = 600; // points of a line; then every second one is dropped
const BUDGET = 9; // milliseconds of a frame for steps
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const state = {
  dials: { ...DATA.defaults },
  shown: ["bp", "fa", "dfa", "usf", "kp"],
  layer: 2,
  trainings: {},
  history: null,
  measured: {},
  running: false,
  due: 0, // steps that the next frame does
  scene: null,
  until: null, // the step at which the scene stops
};
let colours = palette();
const test = {};
const cards = {};
const steps = () => Object.values(state.trainings)[0].steps;

// ---- Training

/** Start again from step 0, with the dials as they are. */
function reset() {
  pause();
  const { X, y } = pointsOf("test", state.dials.labels);
  Object.assign(test, { X, y });
  state.trainings = Object.fromEntries(state.shown.map((rule) => [rule, trainingOf(state.dials, rule)]));
  state.measured = {};
  state.history = Object.fromEntries(state.shown.map((rule) => [rule, []]));
  state.layer = Math.min(state.layer, state.dials.depth);
  state.due = 0;
  fillLayers();
  showCards();
  draw();
  say("");
}

/** One step of each rule. */
function stepAll() {
  for (const training of Object.values(state.trainings)) training.step();
}

/** Measure a rule at the present step, and remember it for the lines. */
function measure(rule) {
  const training = state.trainings[rule];
  const h = training.forward();
  const signals = training.signals(h);
  const { loss } = training.evaluate(h);
  const { accuracy } = training.evaluate(training.forward(test.X), test.y);
  const found = { step: training.steps, signals, loss, accuracy, angles: angles(training, signals) };
  state.measured[rule] = found;
  const rows = state.history[rule];
  if (rows.at(-1)?.step !== found.step) rows.push({ step: found.step, loss, ...found.angles });
  if (rows.length > MOST) state.history[rule] = rows.filter((_, i) => i % 2 === 0 || i === rows.length - 1);
}

/** Whether the angle that stops the training by itself has been passed. */
function passed() {
  if (!$("stop-on").checked) return false;
  const training = state.trainings[$("stop-rule").value];
  if (!training) return false;
  const value = angles(training)[$("stop-measure").value][state.layer - 1];
  return value !== null && value < Number($("stop-angle").value);
}

let drawnAt = 0;

function frame(now) {
  if (!state.running) return;
  const began = performance.now();
  let stop = null;
  state.due += Number($("speed").value);
  while (state.due >= 1 && stop === null) {
    stepAll();
    state.due -= 1;
    if (passed()) {
      $("stop-on").checked = false;
      stop = `Stopped: the angle fell below ${$("stop-angle").value}° at step ${steps()}.`;
    }
    if (steps() === state.until) stop = "";
    if (performance.now() - began > BUDGET) state.due = Math.min(state.due, 0.99);
  }
  if (!calm.matches || now - drawnAt > 500 || stop !== null) { // with reduced motion two pictures a second
    drawnAt = now;
    draw(stop === null && !calm.matches);
  }
  if (stop === null) requestAnimationFrame(frame);
  else {
    pause();
    if (steps() === state.until) endScene();
    say(`${stop} ${summary()}`);
  }
}

function start() {
  state.running = true;
  $("run").textContent = "Pause";
  say(`Training from step ${steps()}.`);
  requestAnimationFrame(frame);
}

function pause() {
  state.running = false;
  $("run").textContent = "Start";
}

const percent = (share) => `${(100 * share).toFixed(0)}\u00a0%`;

/** The state in words. */
function summary() {
  const of = (rule) => {
    const { loss, accuracy, angles } = state.measured[rule];
    const signal = angles.signals[state.layer - 1];
    const turned = rule === "bp" || signal === null ? "" : `, signal at ${signal.toFixed(0)}° to BP's`;
    return `${ABOUT[rule].title}: loss ${loss.toFixed(2)}, ${percent(accuracy)} right${turned}`;
  };
  return `Step ${steps()}. ${state.shown.map(of).join(". ")}.`;
}

function say(text) {
  $("status").textContent = text;
}

// ---- Drawing

/** A card for each rule that is shown. */
function showCards() {
  $("cards").replaceChildren();
  for (const rule of state.shown) {
    const { title, line, colour, dash } = ABOUT[rule];
    const key = svg("svg", { viewBox: "0 0 36 10", "aria-hidden": "true" },
      svg("line", { x1: 0, y1: 5, x2: 36, y2: 5, stroke: `var(${colour})`, "stroke-width": 3, "stroke-dasharray": dash.join(" ") }));
    const surface = make("canvas", { className: "surface", role: "img" });
    const numbers = make("p");
    const turns = rule === "none" ? [] : state.trainings[rule].W.slice(1).map((_, i) => arrows(`layer ${i + 1}`));
    const pictures = make("div", { className: "arrows" }, ...turns.map((each) => each.picture));
    const code = rule === "none" ? make("span", { className: "note" }, line) : make("code", {}, line);
    const card = make("article", { className: "card", style: { "--own": `var(${colour})` } },
      make("h3", {}, key, title), code, surface, numbers, pictures);
    $("cards").append(card);
    cards[rule] = { surface, numbers, turns };
  }
}

let turn = 0; // surfaces take turns, one rule in each frame

/** Measure and draw everything; while it moves, one rule and one chart in each frame. */
function draw(moving = false) {
  const { shown, measured, trainings } = state;
  turn += 1;
  const now = shown.filter((_, i) => !moving || turn % shown.length === i);
  now.forEach(measure);
  $("steps").textContent = `step ${steps()}`;
  for (const rule of now) {
    const { surface, numbers, turns } = cards[rule];
    const { loss, accuracy, angles } = measured[rule];
    drawSurface(surface, trainings[rule], colours);
    surface.ariaLabel = `Decision surface: ${percent(accuracy)} of the test points are right.`;
    const finite = Number.isFinite(loss);
    numbers.textContent = finite ? `loss\u00a0${loss.toFixed(3)}, test\u00a0${percent(accuracy)}` : "diverged: lower the learning rate";
    turns.forEach((each, l) => each.turn(angles.signals[l]));
  }
  const charts = [drawLoss, () => drawAngles("weights"), () => drawAngles("signals"), drawOneUnit];
  charts.forEach((each, i) => (!moving || turn % charts.length === i) && each());
}

const colourOf = (rule) => getComputedStyle(document.documentElement).getPropertyValue(ABOUT[rule].colour).trim().match(/\w\w/g)
  .map((two) => parseInt(two, 16));

/** A line for each rule that has values; valueOf(row) of a row of its history. */
function lines(id, name, valueOf, marks, dashed, unit) {
  const series = state.shown.map((rule) => ({ ...ABOUT[rule], colour: colours[rule], steps: state.history[rule].map(({ step }) => step),
    values: state.history[rule].map(valueOf) })).filter(({ values }) => values.at(-1) !== null);
  drawLines($(id), series, marks, colours, dashed);
  const latest = series.map(({ name, values }) => `${name} ${values.at(-1).toFixed(unit ? 0 : 2)}${unit}`);
  $(id).ariaLabel = `${name} over the steps, now: ${latest.join(", ") || "none"}.`;
}

function drawLoss() {
  const most = Math.max(0.7, ...Object.values(state.history).flatMap((rows) => rows.map(({ loss }) => (loss < 3 ? loss : 0.7))));
  const marks = most > 1.6 ? [0, 1, 2, 3] : most > 0.8 ? [0, 0.4, 0.8, 1.2, 1.6] : [0, 0.2, 0.4, 0.6, 0.8];
  lines("loss-lines", "Training loss", ({ loss }) => loss, marks, null, "");
}

function drawAngles(kind) {
  const names = { weights: "Angle of the weights to B", signals: "Angle of the signal to that of BP" };
  const valueOf = (row) => row[kind][state.layer - 1] ?? null;
  lines(`${kind}-lines`, `${names[kind]}, layer ${state.layer},`, valueOf, [0, 30, 60, 90, 120], 90, "°");
}

/** What one unit puts out and receives, and the weights above its layer beside B. */
function drawOneUnit() {
  const rule = $("unit-rule").value;
  const training = state.trainings[rule];
  const l = state.layer;
  const unit = Math.min(Number($("unit").value) || 1, state.dials.width) - 1;
  const { own, bp } = state.measured[rule].signals;
  drawUnit($("unit-output"), training, l, unit, colours);
  drawSignal($("unit-signal"), training.X, own[l], unit, colours);
  drawSignal($("unit-bp"), training.X, bp[l], unit, colours);
  const B = training.B[l - 1];
  drawMatrix($("matrix-weights"), training.B.length ? downstream(rule, training.W, l) : transposed(training.W[l]), colours);
  drawMatrix($("matrix-feedback"), B, colours);
  $("feedback-note").textContent = B ? "B, in their place" : "this rule has no B";
  const column = (A) => A && A.data.filter((_, i) => i % A.columns === unit);
  const [received, sent] = [column(own[l]), column(bp[l])];
  const same = received && sent && received.filter((s, i) => s * sent[i] > 0).length / sent.length;
  const text = received && sent.some(Boolean) && received.some(Boolean)
    ? `The signal has the sign of BP's for ${percent(same)} of the points.` : "It receives no signal, or BP would send none.";
  if ($("agreement").textContent !== text) $("agreement").textContent = text;
  $("unit-output").ariaLabel = `What unit ${unit + 1} of layer ${l} puts out over the plane under ${ABOUT[rule].title}`;
  $("unit-signal").ariaLabel = `The signal that it receives. ${text}`;
  $("unit-bp").ariaLabel = "The signal that BP would send it";
  const turned = state.measured[rule].angles.weights?.[l - 1];
  $("matrix-weights").ariaLabel = "The weights above the layer";
  $("matrix-feedback").ariaLabel = B && turned !== null ? `B, at ${turned.toFixed(0)}° to these weights` : "No B";
}

// ---- Dials

function options(select, values, names = {}) {
  select.replaceChildren(...values.map((value) => make("option", { value }, names[value] ?? String(value))));
}

function fillLayers() {
  const { depth, width } = state.dials;
  options($("layer"), Array.from({ length: depth }, (_, i) => i + 1));
  $("layer").value = state.layer;
  $("unit").max = width;
  const short = Object.fromEntries(Object.entries(ABOUT).map(([rule, { title }]) => [rule, title]));
  for (const id of ["unit-rule", "stop-rule"]) {
    const before = $(id).value;
    options($(id), state.shown, short);
    $(id).value = state.shown.includes(before) ? before : ["dfa", "fa", ...state.shown].find((rule) => state.shown.includes(rule));
  }
}

const form = $("dials");
const NUMBERS = ["depth", "width", "seed", "start", "decay"]; // dials that hold a number as it is
const LOGARITHMIC = ["lr", "scale"];
const shownNumber = (value) => String(Number(value.toPrecision(2)));

/** Write the state into the dials. */
function showDials() {
  const { dials } = state;
  for (const name of [...NUMBERS, "activation", "optimizer", "structure"]) form.elements[name].value = dials[name];
  for (const name of LOGARITHMIC) {
    form.elements[name].value = Math.log10(dials[name]);
    $(`${name}-value`).textContent = form.elements[name].ariaValueText = shownNumber(dials[name]);
  }
  document.querySelectorAll("#disks button").forEach((button) => {
    const label = dials.labels[button.value];
    button.setAttribute("aria-pressed", label === "1");
    button.textContent = label;
    button.ariaLabel = `Disk ${Number(button.value) + 1}: label ${label}`;
  });
  const known = [...$("pattern").options].some(({ value }) => value === dials.labels);
  $("pattern").value = known ? dials.labels : "";
  document.querySelectorAll("#shown input").forEach((box) => { box.checked = state.shown.includes(box.value); });
}

/** Change dials; training starts again. */
function change(values) {
  Object.assign(state.dials, values);
  state.until = null;
  showDials();
  reset();
}

function makeDials() {
  options(form.elements.depth, DATA.dials.depths);
  options(form.elements.width, DATA.dials.widths);
  options(form.elements.seed, DATA.dials.seeds);
  options(form.elements.activation, Object.keys(ACTIVATIONS));
  options(form.elements.optimizer, Object.keys(OPTIMIZERS), { sgd: "SGD", momentum: "momentum", rmsprop: "RMSProp", adam: "Adam" });
  options(form.elements.structure, DATA.dials.structures, STRUCTURES);
  for (const rule of Object.keys(ABOUT)) {
    const box = make("input", { type: "checkbox", value: rule });
    box.onchange = () => {
      const shown = Object.keys(ABOUT).filter((each) => (each === rule ? box.checked : state.shown.includes(each)));
      if (shown.length) state.shown = shown;
      state.until = null;
      showDials();
      reset();
    };
    $("shown").append(make("label", {}, box, ` ${ABOUT[rule].title} (${ABOUT[rule].name})`));
  }
  for (const disk of [6, 7, 8, 3, 4, 5, 0, 1, 2]) { // as they lie in the plane, the upper ones first
    const button = make("button", { type: "button", value: disk });
    button.onclick = () => change({ labels: [...state.dials.labels].map((label, i) => (i === disk ? 1 - label : label)).join("") });
    $("disks").append(button);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) => {
    const { name, value } = target;
    if (LOGARITHMIC.includes(name)) change({ [name]: Number((10 ** value).toPrecision(2)) });
    else if (NUMBERS.includes(name)) change({ [name]: Number(value) });
    else if (name) change({ [name]: value });
  });
  for (const name of LOGARITHMIC) {
    form.elements[name].oninput = ({ target }) => { $(`${name}-value`).textContent = shownNumber(10 ** target.value); };
  }
  $("pattern").onchange = ({ target }) => change({ labels: target.value });
}

// ---- Scenes

function showScene(scene) {
  state.scene = scene;
  document.querySelectorAll("#scenes button").forEach((button, i) => {
    if (DATA.scenes[i] === scene) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  });
  $("question").textContent = scene.question;
  $("about").textContent = scene.about;
  $("answer").textContent = scene.answer;
  $("answer-box").open = false;
  $("unit-rule").value = ""; // the scene decides
  $("claims").caption.textContent = `After ${scene.steps} steps`;
  setScene();
  showClaims();
}

/** Put the dials where the scene has them. */
function setScene() {
  const { scene } = state;
  state.shown = Object.keys(ABOUT).filter((rule) => scene.rules.includes(rule));
  state.layer = scene.layer ?? 1;
  change({ ...DATA.defaults, ...scene.dials });
  state.until = scene.steps;
}

const MEASURES = {
  accuracy: ["test accuracy", ({ accuracy }) => accuracy, (value) => value.toFixed(2)],
  loss: ["training loss", ({ loss }) => loss, (value) => value.toFixed(2)],
  weights: ["angle of the weights to B, layer", ({ angles }, l) => angles.weights[l - 1], (value) => `${value.toFixed(0)}°`],
  signals: ["angle of the signal to BP's, layer", ({ angles }, l) => angles.signals[l - 1], (value) => `${value.toFixed(0)}°`],
};

function showClaims(measured = null) {
  const rows = state.scene.claims.map(({ rule, measure, layer, mean, interval }) => {
    const [name, valueOf, write] = MEASURES[measure];
    const value = measured?.[rule] && valueOf(measured[rule], layer);
    return make("tr", {}, make("th", { scope: "row" }, ABOUT[rule].title), make("td", {}, layer ? `${name} ${layer}` : name),
      make("td", { className: "number" }, value === null || value === undefined ? "–" : write(value)),
      make("td", { className: "number" }, `${write(mean)} ± ${write(interval)}`));
  });
  $("claims").tBodies[0].replaceChildren(...rows);
}

function endScene() {
  showClaims(state.measured);
  $("answer-box").open = true;
}

// ---- Start

function recolour() {
  colours = palette();
  for (const rule of Object.keys(ABOUT)) colours[rule] = colourOf(rule);
}

recolour();
makeDials();
$("source").textContent = $("maths").textContent;
DATA.scenes.forEach((scene, i) => {
  const button = make("button", {}, `${i + 1}. ${scene.title}`);
  button.onclick = () => showScene(scene);
  $("scenes").append(make("li", {}, button));
});
$("run").onclick = () => {
  if (!state.running) return start();
  pause();
  draw();
  say(summary());
};
$("step").onclick = () => {
  pause();
  stepAll();
  draw();
  if (steps() === state.until) endScene();
  say(summary());
};
$("reset").onclick = () => {
  const { until } = state;
  reset();
  state.until = until;
  say("Reset to step 0.");
};
$("try").onclick = () => {
  setScene();
  start();
};
$("layer").onchange = ({ target }) => {
  state.layer = Number(target.value);
  draw();
};
for (const id of ["unit-rule", "unit"]) $(id).onchange = drawOneUnit;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { recolour(); draw(); });
new ResizeObserver(() => draw()).observe(document.body);
$("dials-box").open = matchMedia("(min-width: 70rem)").matches;
showScene(DATA.scenes[0]);
