"""Lines of dfanp that define something, and what they are changed to by ``test_mutations.py``."""

from typing import NamedTuple

# Networks with one hidden layer and one output, on digits or on arrays with replicas, which kernels take an epoch of at once; two hidden
# layers with biases and three outputs, which they take step by step; random features.
ONE, JOINT, DEEP, LAZY = "one", "joint", "deep", "lazy"
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")


class Mutant(NamedTuple):
    """A line of a file that is found there once, what it is changed to, and the networks and the setting in which that matters.

    `setting` has the arguments of ``test_mutations.outcome``.
    """

    file: str
    line: str
    changed: str
    shapes: tuple
    setting: dict


def change(file, line, *changes, shapes=(ONE, JOINT, DEEP), **setting):
    """Yield a Mutant of a line for each of `changes`, "OLD -> NEW" for a part of it."""
    for each in changes:
        old, new = each.split(" -> ")
        assert old in line, (line, old)
        yield Mutant(file, line, line.replace(old, new, 1), shapes, setting)


def of_rules():
    file = "rules.py"
    bp = 'bp = Rule("bp", lambda at: at.delta @ at.W.mT)'
    noise = "W.mT -> W.mT + 0.1 * at.rng.normal(size=at.h.shape[-2:])"
    yield from change(file, bp, "at.W.mT -> at.xp.sign(at.W.mT)", "W.mT -> B, next_layer", noise, rule="bp")
    fa = 'fa = Rule("fa", lambda at: at.delta @ at.B, next_layer)'
    learned = "next_layer -> next_layer, lambda at: at.delta.mT @ at.h"
    shrunk = "next_layer -> next_layer, after_step=lambda after: after.B[0].__imul__(0.5)"
    yield from change(file, fa, "at.B -> at.xp.abs(at.B)", learned, shrunk, rule="fa")
    yield from change(file, fa, "at.delta @ at.B, next_layer -> at.e @ at.B, output", shapes=(DEEP,), rule="fa")
    dfa = 'dfa = Rule("dfa", lambda at: at.e @ at.B, output)'
    shrunk = "output -> output, after_step=lambda after: after.W[0].__imul__(0.5)"
    yield from change(
        file, dfa, "at.e @ at.B -> at.xp.sign(at.e) @ at.B / at.n", "at.e @ at.B -> at.y @ at.B / at.n", shrunk
    )
    yield from change(file, dfa, "at.e @ at.B, output -> at.delta @ at.B, next_layer", shapes=(DEEP,))
    file = "gradients.py"
    yield from change(file, '        found[f"W{l}"] = h[l].mT @ delta\n        if network', "delta -> (2 * delta)")
    yield from change(file, "= xp.sum(delta, axis=-2)\n        if l > first", "sum -> mean", shapes=(DEEP,))
    yield from change(file, "found, delta = {}, e\n", "e\n -> 2 * e\n")
    product = "return signal * self.slope(h, l)\n"
    yield from change("network.py", product, " * self.slope(h, l) -> ", "\n ->  ** 2\n")
    at = "at = At(xp, W[l], B[l - 1] if B else None, h[l], delta, e, y, l, draws, loss)"
    yield from change(file, at, "W[l] -> -W[l]", rule="bp")
    yield from change(file, at, "B[l - 1] if -> 2 * B[l - 1] if", " e, ->  2 * e,")
    yield from change(file, at, " delta, ->  2 * delta,", rule="fa")
    yield from change(file, at, " h[l], ->  2 * h[l],", rule="kolen-pollack")
    yield from change(file, at, " y, ->  2 * y,", rule="target-projection")
    yield from change(file, "rule.feedback_gradient(at),", "rule -> 2 * rule", rule="kolen-pollack")


def of_activations():
    file = "activations.py"
    yield from change(file, "LEAK = 0.01", "0.01 -> 0.3", activation="leaky-relu")
    relu = 'Activation("relu", lambda xp, a: xp.maximum(a, 0.0), lambda xp, h: xp.sign(h))'
    yield from change(file, relu, "0.0 -> 0.2", "xp.sign(h) -> 0.5 * xp.sign(h)", activation="relu")
    yield from change(file, relu, "xp.maximum(a, 0.0) -> xp.clip(a, 0.0, 6.0)", activation="relu", scale=20)
    f, df = "xp.where(a > 0, a, LEAK * a)", "xp.where(h > 0, xp.ones_like(h), LEAK)"
    yield from change(file, f, "LEAK -> 20 * LEAK", " a, ->  2 * a,", activation="leaky-relu")
    yield from change(file, df, "LEAK -> 0.5", "h > 0 -> h < 0", activation="leaky-relu")
    tanh = 'Activation("tanh", lambda xp, a: xp.tanh(a), lambda xp, h: 1 - h * h)'
    yield from change(
        file, tanh, "tanh(a) -> tanh(2 * a)", "xp.tanh(a) -> xp.clip(a, -1.0, 1.0)", "h * h -> h * h / 2"
    )
    small = "small = xp.exp(-xp.abs(a))"
    yield from change(file, small, "-xp -> -2 * xp")
    yield from change(file, small, "xp.abs(a) -> xp.minimum(xp.abs(a), 4.0)", scale=20, activation="relu")
    branches = "1 / (1 + small), small / (1 + small)"
    yield from change(
        file, branches, "1 / (1 + -> 1 / (1.1 +", "small / (1 + -> small / (1.1 +", activation="sigmoid"
    )
    logistic = 'logistic = Activation("sigmoid", sigmoid, lambda xp, h: h * (1 - h))'
    doubled = "sigmoid, -> lambda xp, a: 2 * sigmoid(xp, a),"
    yield from change(file, logistic, doubled, "(1 - h) -> h", activation="sigmoid")
    identity = 'Activation("identity", lambda xp, a: a, lambda xp, h: xp.ones_like(h))'
    yield from change(file, identity, "a: a -> a: 2 * a", "xp.ones -> 2 * xp.ones", activation="identity")


def of_losses():
    file = "losses.py"
    each = "xp.maximum(z, 0.0) - z * y + xp.log1p(xp.exp(-xp.abs(z)))"
    yield from change(file, each, "0.0 -> 0.1", "- z -> - 2 * z", "(xp.exp -> (2 * xp.exp")
    error = "error=lambda xp, z, y: (sigmoid(xp, z) - y) / z.shape[-2]"
    yield from change(file, error, "- y -> - 0.8 * y", "z.shape[-2] -> (z.shape[-2] + 1)")
    correct = "return xp.all((z > 0) == (y > 0.5), axis=-1)"
    yield from change(file, correct, "== -> !=", "z > 0 -> z > 0.05")
    yield from change(file, correct, "all -> any", shapes=(DEEP,))
    yield from change(file, correct, "0.5 -> 0.2", "y > -> y >=", soft=True)
    deep = dict(shapes=(DEEP,), loss="cross-entropy")
    yield from change(file, "exps = xp.exp(z - ", "z -> 0.5 * z", **deep)
    yield from change(file, "return exps / xp.sum(", "sum -> max", **deep)
    yield from change(file, "shifted = z - ", "z -> 0.5 * z", **deep)
    yield from change(file, "log_sum = xp.log(xp.sum(xp.exp(shifted)", "(shifted -> (2 * shifted", **deep)
    yield from change(file, "xp.sum(y * (log_sum - shifted), axis=-1)", "- shifted -> - 2 * shifted", **deep)
    yield from change(file, "(softmax(xp, z) - y) / z.shape[-2]", "- y -> - 0.8 * y", **deep)
    yield from change(file, "xp.argmax(z, axis=-1) == xp", "max -> min", **deep)
    yield from change(file, "xp.sum((z - y) ** 2, axis=-1) / 2", " / 2 -> ", loss="mse")
    yield from change(file, "error=lambda xp, z, y: (z - y) /", "(z -> 2 * (z", loss="mse")
    file = "kernels/tier.py"
    yield from change(file, "each = loss.per_example(xp, z, y)", "loss -> 2 * loss")
    yield from change(file, "else loss.correct(xp, z, y)", "loss -> ~loss")
    yield from change(file, "return loss.error(xp, z, y) if", "loss -> 2 * loss")


def of_optimizers():
    file = "optimizers.py"
    sgd = "        theta -= lr * g\n"
    yield from change(file, sgd, "lr -> 2 * lr", "lr -> lr / (1 + (t > 3))")
    large = dict(scale=300, shapes=(ONE, JOINT), lr=0.01, activation="relu")
    yield from change(file, sgd, "g -> xp.clip(g, -5.0, 5.0)", **large)
    momentum = "s.v[...] = self.momentum * s.v + lr * g\n        theta -= s.v\n"
    yield from change(file, momentum, "lr -> 2 * lr", "-= s -> -= 2 * s", "self -> 0.5 * self", optimizer="momentum")
    yield from change(file, momentum, "self -> 0.5 * self", optimizer="momentum", first=dict(momentum=0.0))
    nesterov = "s.v[...] = self.momentum * s.v + lr * g\n        theta -= self.momentum * s.v + lr * g\n"
    parts = "= self -> = 0.5 * self", "-= self -> -= 0.5 * self", "lr -> 2 * lr"
    last = "-= self.momentum * s.v + lr -> -= self.momentum * s.v + 2 * lr"
    yield from change(file, nesterov, *parts, last, optimizer="nesterov")
    theta = "theta -= lr * g / root(xp, s.v, self.eps, self.eps_placement)\n"
    adagrad = "s.v[...] = s.v + g**2\n        " + theta
    yield from change(file, adagrad, "g** -> 2 * g**", "g**2 -> xp.abs(g)", "lr -> 2 * lr", optimizer="adagrad")
    v = "s.v[...] = self.rho * s.v + (1 - self.rho) * g**2\n        "
    parts = "g**2 -> xp.abs(g)", "= self -> = 0.5 * self"
    yield from change(file, v + theta, *parts, "lr -> 2 * lr", optimizer="rmsprop")
    yield from change(file, v + "unscaled =", *parts, optimizer="adadelta")
    for line, part in (
        ("unscaled = xp.sqrt(s.u + self.eps)", "self -> 4 * self"),
        (" / xp.sqrt(s.v + self.eps) * g", "self -> 90 * self"),
        ("scaled = lr * unscaled", "lr -> 2 * lr"),
        ("d = scaled if self", "= scaled -> = 3 * scaled"),
        ("s.u[...] = self.rho * s.u", "self -> 0.1 * self"),
        ("(1 - self.rho) * d**2", "(1 -> 9 * (1"),
        ("theta -= scaled\n", "scaled -> 2 * scaled"),
    ):
        yield from change(file, line, part, optimizer="adadelta")
    yield from change(file, "else unscaled\n", "un -> 3 * un", optimizer="adadelta", accumulate="unscaled")
    for line, part in (
        ("s.m[...] = self.beta1 * s.m + ", "self -> 0.5 * self"),
        ("(1 - self.beta1) * g\n", "(1 -> 2 * (1"),
        ("s.v[...] = self.beta2 * s.v + ", "self -> 0.5 * self"),
        ("(1 - self.beta2) * g**2", "(1 -> 2 * (1"),
        ("m_hat = s.m / (1 - self.beta1**t)", "**t -> ** (t + 2)"),
        ("v_hat = s.v / (1 - self.beta2**t)", "**t -> ** (t + 2)"),
        ("theta -= lr * m_hat", "lr -> 2 * lr"),
        ("        return step\n", "step -> step + 3"),
        ("self.clock(state.step, epoch)", "epoch) -> epoch) + 3"),
        ("state.step += 1\n", "1 -> 2"),
    ):
        yield from change(file, line, part, optimizer="adam")
    yield from change(file, "backend.xp.zeros_like(theta)", "zeros -> ones", optimizer="rmsprop")
    root = 'return xp.sqrt(v + eps) if placement == "inside" else xp.sqrt(v) + eps'
    inside, outside = "xp.sqrt(v + eps) -> xp.sqrt(v) + eps", "xp.sqrt(v) + eps -> xp.sqrt(v + eps)"
    for optimizer in ("adagrad", "rmsprop", "adam"):
        yield from change(file, root, inside, optimizer=optimizer)
        yield from change(file, root, outside, optimizer=optimizer, eps_placement="outside")
    small = dict(optimizer="rmsprop", eps=1e-8, scale=1e-4, shapes=(JOINT, DEEP))  # gradients below sqrt(eps)
    yield from change(file, root, inside, **small)
    yield from change(file, root, outside, eps_placement="outside", **small)
    decay = "kernels/numpy.py", "g_part = g_part + optimizer.weight_decay * theta_part", "+ -> -"
    for optimizer in OPTIMIZERS:
        yield from change(*decay, optimizer=optimizer, weight_decay=0.3)
    yield from change(*decay, weight_decay=0.3, first=dict(weight_decay=1e-6))


def of_steps():
    one = dict(shapes=(ONE,))
    file = "inputs.py"
    yield from change(file, "return dense(self.X).mT @ self.delta", "self.delta -> (2 * self.delta)", **one)
    yield from change(file, "return WeightGradient(self.X, delta)", "delta -> 2 * delta", **one)
    dense = "(xp.astype(raw, getattr(xp, self.dtype)) - bank.mean) / bank.std"
    yield from change(file, dense, "- -> +", "/ -> / 2 /", ")) - -> )) ** 2 / 99 -", **one)
    yield from change(file, "raw = xp.take(", "= -> = 255 -", **one)
    yield from change("kernels/numpy.py", "return dense(X) @ W", "W -> (2 * W)", **one)
    file = "network.py"
    product = 'a = self.backend.kernels.product(h, self.parameters[f"W{layer}"])'
    yield from change(file, product, "= self -> = 2 * self", '"]) -> "]) + 0.2')
    yield from change(file, 'return a + self.parameters[f"b{layer}"]', "+ -> -", shapes=(DEEP,))
    yield from change(file, "return self.activation.f(", "self -> 2 * self")
    yield from change(file, "return self.activation.df(", "self -> 2 * self")
    yield from change(file, "self.hidden(layer, h[layer]) if", "self -> 2 * self")
    yield from change(file, "else self.preactivation(layer, h[layer])", "self -> 2 * self")
    yield from change(file, 'return [self.parameters[f"W{layer}"]', "self -> 2 * self", rule="bp")
    file = "training.py"
    yield from change(file, "built_in=losses.LOSSES.built_in(self.loss)\n        )[1]", "[1] -> [1] * 2")
    yield from change(file, "self.B, h, e, y, self.first, self.draws, loss)\n", " e, ->  2 * e,")
    yield from change(file, "        return totals\n\n    def after_step", "totals -> 2 * totals")
    yield from change(file, "totals = totals + self.learn(*batch, learning_in)\n", "+ -> + 2 *")
    yield from change(file, "if learning_in is None else self.batch_size\n", "size\n -> size // 2\n")
    file = "baselines.py"
    yield from change(file, "a = self.projection(h)\n", "self -> 2 * self", shapes=(LAZY,), network="relu")
    gated = 'return self.backend.kernels.product(h, self.parameters["W0"])'
    yield from change(file, gated, '"]) -> "]) ** 2', shapes=(LAZY,), network="ntk")


MUTANTS = [*of_rules(), *of_activations(), *of_losses(), *of_optimizers(), *of_steps()]
