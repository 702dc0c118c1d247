// The numbers that the library drew, as they are embedded in the page: base64 of float64, little-endian.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function numbersOf(text) {
  const view = new DataView(bytesOf(text).buffer);
  return Float64Array.from({ length: view.byteLength / 8 }, (_, i) => view.getFloat64(8 * i, true));
}

/** The bits of a text, the first of each byte first. */
const bitsOf = (text) => Uint8Array.from([...bytesOf(text)].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (byte >> bit) & 1)));

/** Cut a flat array into matrices of these shapes, or, without `make`, into arrays. */
function cut(flat, shapes, make = matrix) {
  let start = 0;
  return shapes.map(([rows, columns]) => make(rows, columns, flat.slice(start, (start += rows * columns))));
}

const sizesOf = ({ depth, width }) => [3, ...Array(depth).fill(width), 1];

/** What the library drew for a network: W, the B of FA and of DFA, and which entries of these a sparse B keeps. */
function drawnFor({ seed, depth, width }) {
  const texts = DATA.networks[`${seed}-${depth}-${width}`];
  const sizes = sizesOf({ depth, width });
  const hidden = sizes.slice(1, -1);
  const shapes = {
    W: sizes.slice(1).map((above, l) => [sizes[l], above]),
    next: hidden.map((size, i) => [sizes[i + 2], size]),
    output: hidden.map((size) => [1, size]),
  };
  const found = { W: cut(numbersOf(texts.W), shapes.W) };
  for (const kind of ["next", "output"]) {
    found[kind] = cut(numbersOf(texts[kind]), shapes[kind]);
    found[`${kind}Mask`] = cut(bitsOf(texts[`${kind}Mask`]), shapes[kind], (rows, columns, data) => data);
  }
  return found;
}

/** Inputs (1, x_1, x_2) of "train" or "test", and their labels where the nine disks have these. */
function pointsOf(part, labels) {
  const { X, disks } = DATA.points[part];
  const y = Float64Array.from(disks, (disk) => Number(labels[disk]));
  return { X: matrix(disks.length, 3, numbersOf(X)), y };
}

/** A Training of this page: the values of its dials, and the rule. */
function trainingOf(dials, rule) {
  const { X, y } = pointsOf("train", dials.labels);
  return new Training(drawnFor(dials), { ...dials, rule, aligned: DATA.dials.aligned }, X, y);
}
