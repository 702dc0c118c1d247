// Drawing: decision surfaces, lines over the steps, arrows, matrices, and the signals of one unit.
"use strict";

const EDGE = 0.6; // the plane is shown from -EDGE to EDGE
const GRID = 32; // points along a side of a surface

/** The colours of the page as [r, g, b], for light or dark. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) => style.getPropertyValue(name).trim().match(/\w\w/g).map((two) => parseInt(two, 16));
  return { zero: rgb("--zero"), one: rgb("--one"), page: rgb("--page"), text: rgb("--text"), quiet: rgb("--quiet"), rule: rgb("--rule") };
}

const css = ([r, g, b], alpha = 1) => `rgba(${r},${g},${b},${alpha})`;
const blend = (from, to, share) => from.map((value, i) => value + (to[i] - value) * share);

/** The 2-d context of a canvas whose pixels are those of the screen; lengths are CSS pixels. */
function contextOf(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

const small = document.createElement("canvas"); // surfaces and matrices are painted small, then scaled up

/** Paint rows × columns cells, each by a value in [-1, 1], onto a canvas; smooth or in blocks. */
function paint(context, x, y, width, height, rows, columns, valueOf, colours, smooth) {
  small.width = columns;
  small.height = rows;
  const inner = small.getContext("2d");
  const image = inner.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const value = valueOf(i);
    const strength = Math.min(1, Math.abs(value));
    const end = value > 0 ? colours.one : colours.zero;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = colours.page[c] + (end[c] - colours.page[c]) * strength;
    image.data[4 * i + 3] = 255;
  }
  inner.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = smooth;
  context.drawImage(small, x, y, width, height);
}

// The inputs at the cells of a surface, the top row first.
const gridX = matrix(GRID * GRID, 3);
for (let i = 0; i < GRID * GRID; i++) {
  const along = (cell) => -EDGE + (2 * EDGE * (cell + 0.5)) / GRID;
  gridX.data.set([1, along(i % GRID), -along(Math.floor(i / GRID))], 3 * i);
}

const place = (X, i, width, height) => [
  ((X.data[3 * i + 1] + EDGE) / (2 * EDGE)) * width,
  ((EDGE - X.data[3 * i + 2]) / (2 * EDGE)) * height,
];

/** Points with label 1 are full discs, those with label 0 open squares. */
function drawPoints(context, width, height, X, y, colours) {
  const size = Math.max(1.8, width / 90);
  context.lineWidth = 1.2;
  context.strokeStyle = context.fillStyle = css(colours.text);
  for (let i = 0; i < X.rows; i++) {
    const [left, top] = place(X, i, width, height);
    context.beginPath();
    if (y[i]) {
      context.arc(left, top, size, 0, 7);
      context.fill();
    } else {
      context.rect(left - size, top - size, 2 * size, 2 * size);
      context.stroke();
    }
  }
}

/** The probability of label 1 over the plane, with a step at the boundary, under the training points. */
function drawSurface(canvas, training, colours) {
  const [context, width, height] = contextOf(canvas);
  const z = forward(training.W, training.settings.activation, gridX).at(-1).data;
  const shade = (i) => {
    const signed = 2 * sigmoid(z[i]) - 1;
    return Math.sign(signed) * (0.12 + 0.73 * Math.abs(signed));
  };
  paint(context, 0, 0, width, height, GRID, GRID, shade, colours, true);
  drawPoints(context, width, height, training.X, training.y, colours);
}

/** What one unit puts out over the plane, relative to its largest value. */
function drawUnit(canvas, training, l, unit, colours) {
  const [context, width, height] = contextOf(canvas);
  const h = forward(training.W.slice(0, l + 1), training.settings.activation, gridX)[l];
  const valueAt = (i) => h.data[i * h.columns + unit];
  let largest = 1e-12;
  for (let i = 0; i < h.rows; i++) largest = Math.max(largest, Math.abs(valueAt(i)));
  paint(context, 0, 0, width, height, GRID, GRID, (i) => (0.85 * valueAt(i)) / largest, colours, true);
}

/** The signal that one unit receives for each point: its sign by colour and shape, its size relative to the largest. */
function drawSignal(canvas, X, signal, unit, colours) {
  const [context, width, height] = contextOf(canvas);
  if (!signal) return;
  const valueAt = (i) => signal.data[i * signal.columns + unit];
  let largest = 0;
  for (let i = 0; i < X.rows; i++) largest = Math.max(largest, Math.abs(valueAt(i)));
  if (largest === 0) return;
  const most = width / 24;
  for (let i = 0; i < X.rows; i++) {
    const [left, top] = place(X, i, width, height);
    const size = most * Math.sqrt(Math.abs(valueAt(i)) / largest);
    context.beginPath();
    if (valueAt(i) > 0) {
      context.arc(left, top, size, 0, 7);
      context.fillStyle = css(colours.one, 0.8);
      context.fill();
    } else {
      context.rect(left - 0.85 * size, top - 0.85 * size, 1.7 * size, 1.7 * size);
      context.strokeStyle = css(colours.zero);
      context.lineWidth = 1.4;
      context.stroke();
    }
  }
}

/** A matrix as blocks, relative to its largest entry. */
function drawMatrix(canvas, A, colours) {
  const [context, width, height] = contextOf(canvas);
  if (!A) return;
  const largest = Math.max(1e-12, ...A.data.map(Math.abs));
  paint(context, 0, 0, width, height, A.rows, A.columns, (i) => A.data[i] / largest, colours, false);
}

/** A round number not below x: 1, 2 or 5 times a power of ten. */
function roundUp(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return [1, 2, 5, 10].find((digit) => digit * power >= x * 0.999999) * power;
}

/**
 * Lines over the steps. series: [{name, colour, dash, steps, values}], values[i] at steps[i], null where there is none.
 * marks: the labels of the vertical axis from its lowest to its highest value; dashed: a value with a dashed line.
 */
function drawLines(canvas, series, marks, colours, dashed = null) {
  const [context, width, height] = contextOf(canvas);
  const [left, right, top, bottom] = [34, width - 44, 8, height - 20];
  const last = Math.max(10, ...series.map(({ steps }) => steps.at(-1)));
  const [low, high] = [marks[0], marks.at(-1)];
  const x = (step) => left + ((right - left) * step) / last;
  const y = (value) => bottom - ((bottom - top) * (Math.min(value, high) - low)) / (high - low);
  context.font = "12px system-ui, sans-serif";
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const mark of marks) {
    context.strokeStyle = css(colours.rule, mark === low ? 1 : 0.6);
    context.setLineDash(mark === dashed ? [4, 4] : []);
    if (mark === dashed) context.strokeStyle = css(colours.quiet);
    context.beginPath();
    context.moveTo(left, y(mark));
    context.lineTo(right, y(mark));
    context.stroke();
    context.fillStyle = css(colours.quiet);
    context.fillText(String(mark), left - 5, y(mark));
  }
  context.textBaseline = "top";
  const every = roundUp(last / 4);
  for (let step = 0; step <= last; step += every) {
    context.textAlign = step === 0 ? "left" : "center";
    context.fillText(String(step), x(step), bottom + 5);
  }
  const ends = [];
  for (const { name, colour, dash, steps, values } of series) {
    context.strokeStyle = css(colour);
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.beginPath();
    let drawing = false;
    values.forEach((value, i) => {
      if (value === null || !Number.isFinite(value)) drawing = false;
      else if (drawing) context.lineTo(x(steps[i]), y(value));
      else {
        context.moveTo(x(steps[i]), y(value));
        drawing = true;
      }
    });
    context.stroke();
    const end = values.at(-1);
    if (end !== null && Number.isFinite(end)) ends.push({ name, colour, at: y(end) });
  }
  context.setLineDash([]);
  context.textAlign = "left";
  context.textBaseline = "middle";
  ends.sort((a, b) => a.at - b.at).forEach((end, i) => { // names at the ends of the lines, which may not overlap
    if (i > 0) end.at = Math.max(end.at, ends[i - 1].at + 13);
  });
  const shift = Math.max(0, (ends.at(-1)?.at ?? 0) - bottom);
  for (const { name, colour, at } of ends) {
    context.fillStyle = css(colour);
    context.fillText(name, right + 5, Math.max(at - shift, 6));
  }
}

/** An SVG element with attributes. */
function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Two arrows, BP's to the right and the rule's turned away from it; ``turn(angle)`` turns it, null hides both. */
function arrows(label) {
  const arrow = (kind) =>
    svg("g", { class: kind }, svg("line", { x1: 60, y1: 58, x2: 103, y2: 58 }), svg("path", { d: "M110 58l-10-5v10z" }));
  const [own, bp] = [arrow("own"), arrow("bp")];
  const limit = svg("line", { class: "limit", x1: 60, y1: 54, x2: 60, y2: 4 });
  const text = svg("text", { x: 60, y: 78, "text-anchor": "middle" });
  const picture = svg("svg", { viewBox: "0 0 120 84", role: "img" }, limit, bp, own, text);
  const turn = (angle) => {
    for (const each of [own, bp]) each.style.visibility = angle === null ? "hidden" : "visible";
    if (angle !== null) own.setAttribute("transform", `rotate(${-angle} 60 58)`);
    text.textContent = `${label}: ${angle === null ? "no signal" : `${angle.toFixed(0)}°`}`;
    picture.setAttribute("aria-label", angle === null ? `${label}: no signal` : `${label}: signal at ${angle.toFixed(0)}° to that of BP`);
  };
  return { picture, turn };
}
