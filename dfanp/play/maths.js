// The mathematics of the page, in the order of dfanp's textbook: activations, losses, network, feedback, rules, gradients,
// optimizers, training, alignment. Names and equations are those of the Python modules of these names, and a test compares
// whole trajectories with them. All numbers are float64. A matrix is {rows, columns, data}, its data row by row.
"use strict";

// ---- Products of matrices

const matrix = (rows, columns, data = new Float64Array(rows * columns)) => ({ rows, columns, data });

/** f of each number of A and its place. */
function mapped(A, f) {
  const found = matrix(A.rows, A.columns);
  for (let i = 0; i < found.data.length; i++) found.data[i] = f(A.data[i], i);
  return found;
}

/** A.T */
function transposed(A) {
  const found = matrix(A.columns, A.rows);
  for (let i = 0; i < A.rows; i++) for (let j = 0; j < A.columns; j++) found.data[j * A.rows + i] = A.data[i * A.columns + j];
  return found;
}

/** A @ C.T: every row of A times every row of C. */
function timesTransposed(A, C) {
  const found = matrix(A.rows, C.rows);
  const [a, c, to, inner] = [A.data, C.data, found.data, A.columns];
  for (let i = 0, at = 0; i < A.rows; i++) {
    for (let j = 0; j < C.rows; j++, at++) {
      let sum = 0;
      for (let k = 0, p = i * inner, q = j * inner; k < inner; k++) sum += a[p++] * c[q++];
      to[at] = sum;
    }
  }
  return found;
}

const times = (A, C) => timesTransposed(A, transposed(C)); // A @ C
const transposedTimes = (A, C) => timesTransposed(transposed(A), transposed(C)); // A.T @ C

// ---- Activations: h = f(a), and the derivative df as a function of h

/** 1 / (1 + exp(-a)) without overflow. */
function sigmoid(a) {
  const small = Math.exp(-Math.abs(a));
  return a >= 0 ? 1 / (1 + small) : small / (1 + small);
}

const ACTIVATIONS = {
  relu: { f: (a) => Math.max(a, 0), df: (h) => Math.sign(h) },
  "leaky-relu": { f: (a) => (a > 0 ? a : 0.01 * a), df: (h) => (h > 0 ? 1 : 0.01) },
  tanh: { f: Math.tanh, df: (h) => 1 - h * h },
  sigmoid: { f: sigmoid, df: (h) => h * (1 - h) },
};

// ---- The loss: binary cross-entropy of the logits z with the labels y, one output

const lossOf = (z, y) => Math.max(z, 0) - z * y + Math.log1p(Math.exp(-Math.abs(z)));

/** e = d(mean loss)/dz, (n, 1): the only mean over the n examples is in it. */
const errorOf = (z, y) => mapped(z, (each, i) => (sigmoid(each) - y[i]) / z.rows);

// ---- The network: sizes (D, d_1 ... d_L), weights W[l] of shape (d_l, d_{l+1}), no biases: the first input is always 1

/** What every layer puts out: h[0] = X, h[l] = f(h[l-1] @ W), and the last h the logits. */
function forward(W, activation, X) {
  const h = [X];
  W.forEach((weights, l) => {
    const a = times(h[l], weights);
    h.push(l < W.length - 1 ? mapped(a, ACTIVATIONS[activation].f) : a);
  });
  return h;
}

// ---- Feedback: B as the library drew it, and its structure

/** The B of hidden layer l: times a mask, or mixed with the weights that it replaces, and times its scale. */
function feedback(drawn, mask, replaced, { scale, structure, aligned }) {
  const B = mapped(drawn, (b, i) => scale * (structure === "sparse" ? b * mask[i] : b));
  if (structure !== "aligned") return B;
  return mapped(B, (b, i) => scale * aligned * replaced.data[i] + Math.sqrt(1 - aligned * aligned) * b);
}

/** The transpose of the weights that the B of hidden layer l replaces: the next ones, or the product of all later ones. */
function downstream(rule, W, l) {
  let product = W[l];
  if (RULES[rule].feedback === "output") for (const above of W.slice(l + 1)) product = times(product, above);
  return transposed(product);
}

// ---- Rules: the signal of a hidden layer. `at` has W, the weights above the layer; B; h; delta, of the layer above; e.

const signOfTransposed = (W) => mapped(transposed(W), Math.sign);
const initialSize = (W) => 1 / Math.sqrt(3 * W.rows);

const RULES = {
  none: { signal: null },
  bp: { signal: (at) => timesTransposed(at.delta, at.W) },
  fa: { signal: (at) => times(at.delta, at.B), feedback: "next" },
  dfa: { signal: (at) => times(at.e, at.B), feedback: "output" },
  usf: { signal: (at) => mapped(times(at.delta, signOfTransposed(at.W)), (x) => x * initialSize(at.W)) },
  kp: {
    signal: (at) => times(at.delta, at.B),
    feedback: "next",
    feedbackGradient: (at) => transposedTimes(at.delta, at.h),
  },
};

// ---- Gradients: the same loop for every rule

/**
 * Gradients {W, B} by layer, and the signals that made them, which alone may be `wanted`. Without a signal the last layer alone
 * has a gradient.
 */
function gradients(rule, W, B, activation, h, e, wanted = "all") {
  const { signal, feedbackGradient } = RULES[rule];
  const found = { W: [], B: [], signals: [] };
  const { df } = ACTIVATIONS[activation];
  let delta = e;
  for (let l = W.length - 1; l >= 0; l--) {
    if (wanted === "all") found.W[l] = transposedTimes(h[l], delta);
    if (l === 0 || signal === null) break;
    const at = { W: W[l], B: B[l - 1], h: h[l], delta, e };
    if (feedbackGradient && wanted === "all") found.B[l - 1] = feedbackGradient(at);
    const received = (found.signals[l] = signal(at));
    delta = mapped(received, (s, i) => s * df(h[l].data[i]));
  }
  return found;
}

// ---- Optimizers: update(theta, g, s, lr, t) changes the array theta and its state s in place

function each(theta, f) {
  for (let i = 0; i < theta.length; i++) f(i);
}

const OPTIMIZERS = {
  sgd: (theta, g, s, lr) => each(theta, (i) => { theta[i] -= lr * g[i]; }),
  momentum: (theta, g, s, lr) =>
    each(theta, (i) => {
      s.v[i] = 0.9 * s.v[i] + lr * g[i];
      theta[i] -= s.v[i];
    }),
  rmsprop: (theta, g, s, lr) =>
    each(theta, (i) => {
      s.v[i] = 0.9 * s.v[i] + (1 - 0.9) * g[i] ** 2;
      theta[i] -= (lr * g[i]) / Math.sqrt(s.v[i] + 1e-8);
    }),
  adam: (theta, g, s, lr, t) =>
    each(theta, (i) => {
      s.m[i] = 0.9 * s.m[i] + (1 - 0.9) * g[i];
      s.v[i] = 0.999 * s.v[i] + (1 - 0.999) * g[i] ** 2;
      const [m, v] = [s.m[i] / (1 - 0.9 ** t), s.v[i] / (1 - 0.999 ** t)];
      theta[i] -= (lr * m) / Math.sqrt(v + 1e-8);
    }),
};

// ---- Training: a network under one rule, all examples in each step

class Training {
  /**
   * drawn: {W, next, output, nextMask, outputMask}, lists of matrices (masks: of arrays), as the library drew them.
   * settings: rule, activation, optimizer, lr, decay, start (factor of W), scale, structure, aligned.
   */
  constructor(drawn, settings, X, y) {
    Object.assign(this, { settings, X, y, rule: settings.rule, steps: 0 });
    this.W = drawn.W.map((W) => mapped(W, (w) => settings.start * w));
    const kind = RULES[this.rule].feedback;
    this.B = (kind ? drawn[kind] : []).map((B, i) =>
      feedback(B, drawn[`${kind}Mask`][i], downstream(this.rule, this.W, i + 1), settings));
    this.states = new Map();
  }

  /** One step; returns the mean loss before it. */
  step() {
    const { W, B, y, settings } = this;
    const h = this.forward();
    const z = h.at(-1);
    const found = gradients(this.rule, W, B, settings.activation, h, errorOf(z, y));
    this.steps++;
    for (const [theta, g] of [...W.map((w, l) => [w, found.W[l]]), ...B.map((b, l) => [b, found.B[l]])]) {
      if (g) this.update(theta.data, g.data);
    }
    return z.data.reduce((sum, each, i) => sum + lossOf(each, y[i]), 0) / z.rows;
  }

  update(theta, g) {
    const { optimizer, lr, decay } = this.settings;
    if (!this.states.has(theta)) {
      this.states.set(theta, { v: new Float64Array(theta.length), m: new Float64Array(theta.length) });
    }
    const decayed = decay === 0 ? g : g.map((each, i) => each + decay * theta[i]);
    OPTIMIZERS[optimizer](theta, decayed, this.states.get(theta), lr, this.steps);
  }

  forward(X = this.X) {
    return forward(this.W, this.settings.activation, X);
  }

  /** Mean loss and accuracy where the network puts out h for examples with labels y. */
  evaluate(h = this.forward(), y = this.y) {
    const z = h.at(-1).data;
    const mean = (f) => z.reduce((sum, each, i) => sum + f(each, y[i]), 0) / z.length;
    return { loss: mean(lossOf), accuracy: mean((each, label) => Number(each > 0 === label > 0.5)) };
  }

  /** What the hidden layers receive, and what BP would send them at the same weights: lists, by l = 1 ... L-1. */
  signals(h = this.forward()) {
    const e = errorOf(h.at(-1), this.y);
    const of = (rule) => gradients(rule, this.W, this.B, this.settings.activation, h, e, "signals").signals;
    return { own: of(this.rule), bp: of("bp") };
  }
}

// ---- Alignment

/** The sum of the products of the entries of A and C. */
function product(A, C) {
  let sum = 0;
  for (let i = 0; i < A.data.length; i++) sum += A.data[i] * C.data[i];
  return sum;
}

/** The angle of A and C in degrees, arccos of <A, C> / (|A| |C|), or null where one of them is missing or zero. */
function angle(A, C) {
  if (!A || !C) return null;
  const norms = Math.sqrt(product(A, A)) * Math.sqrt(product(C, C));
  if (!(norms > 0)) return null;
  return (Math.acos(Math.min(1, Math.max(-1, product(A, C) / norms))) * 180) / Math.PI;
}

/** Angles by hidden layer l = 1 ... L-1: of B with the weights that it replaces, and of the signal with BP's. */
function angles(training, { own, bp } = training.signals()) {
  const layers = training.W.slice(1).map((_, i) => i + 1);
  return {
    weights: layers.map((l) => angle(training.B[l - 1], downstream(training.rule, training.W, l))),
    signals: layers.map((l) => angle(own[l], bp[l])),
  };
}
