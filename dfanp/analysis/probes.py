"""Representations of hidden layers: probes, principal components, and two-dimensional maps by t-SNE.

A probe is a simple classifier that predicts a label from the representations of unseen examples: a linear one
(logistic regression; Alain & Bengio 2016) and nearest neighbours. The comparison with the same probes before training
shows what was learned. Scikit-learn computes them.
"""

import warnings
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from .. import losses
from ..errors import by_name
from ..inputs import StackedDigits
from ..network import MLP
from ..problems.images import Dataset
from ..system.threads import blas_on

NEIGHBOURS = 15
COMPONENTS = 10  # principal components whose share of the variance is reported
LEADING = 2  # principal components that the last probe uses
LEAST = 40  # examples
USUAL = 1e9  # representations are scaled if their largest number is not between 1 / USUAL and USUAL


class Represented(NamedTuple):
    """Representations and their labels.

    Attributes:
        h: (n, width), float64.
        labels: name -> whole numbers (n,).
    """

    h: np.ndarray
    labels: dict


def on_one_thread(look):
    """Return a function that calls `look` with one thread of BLAS and OpenMP, on whose number the last bits depend."""

    @wraps(look)
    def pinned(*args, **more):
        from threadpoolctl import threadpool_limits

        with blas_on(1), threadpool_limits(limits=1):
            return look(*args, **more)

    return pinned


@on_one_thread
def of_place(
    network: MLP, dataset: Dataset, place: int = 0, samples: int = 10_000, activated: bool = False
) -> Represented:
    """Return the Represented test digits, one at a time at `place`, in the first layer: x @ W0[place].

    Demirbilek 2021, figure 3.6: the part of the pre-activation that comes from one digit; labels are ``digit`` and
    ``parity``.

    Args:
        network: without replicas, of ``Parity``.
        dataset: a Dataset.
        place: of the digit, from 0.
        samples: number of digits; the first ones are used.
        activated: whether to apply the activation of the network.

    Raises:
        ValueError: the place does not exist.
    """
    images, pixels = dataset.test, dataset.test.pixels.shape[1]
    k = network.sizes[0] // pixels
    if not 0 <= place < k:
        raise ValueError(f"place must be from 0 to {k - 1} (k = {k} digits), got {place}")
    W = np.asarray(network.backend.to_host(network.W[0]), float)[place * pixels : (place + 1) * pixels]
    X = (images.pixels[:samples].astype(float) - dataset.mean) / dataset.std
    digits = images.labels[:samples].astype(int)
    f = network.activation.f if activated else lambda xp, a: a
    with np.errstate(over="ignore", invalid="ignore"):  # for weights that have diverged, which ``usable`` reports
        return Represented(f(np, X @ W), {"digit": digits, "parity": digits % 2})


def of_layer(network: MLP, problem: Any, layer: int, seed: int = 0, samples: int = 10_000) -> Represented:
    """Return the Represented test examples in hidden layer `layer`, h[layer] (from 1).

    Labels are ``target``, the target class, and for parity ``digit``, the digit in the first place; for regression
    whether the first target is above its median. Fewer than 40 test examples are taken together with those of training.

    Raises:
        ValueError: the layer does not exist.
    """
    if not 1 <= layer <= len(network.sizes) - 2:
        raise ValueError(f"layer must be from 1 to {len(network.sizes) - 2}, the hidden ones, got {layer}")
    X, y = problem.test(seed, 1)
    if X.shape[-2] < LEAST and not isinstance(X, StackedDigits):
        more = problem.train(seed, 1)
        X, y = (problem.backend.xp.concat([part, own], axis=0) for part, own in zip((X, y), more, strict=True))
    samples, host, parts = min(samples, X.shape[-2]), network.backend.to_host, []
    for start in range(0, samples, 1000):
        stop = min(start + 1000, samples)
        with np.errstate(over="ignore", invalid="ignore"):  # as above
            parts.append(np.asarray(host(network.forward(X[start:stop, :])[layer]), float))
    y = host(y)[:samples]
    if losses.get(problem.loss).correct is None:
        labels = {"above the median": (y[:, 0] > np.median(y[:, 0])).astype(int)}
    else:
        labels = {"target": (y[:, 0] > 0.5).astype(int) if y.shape[1] == 1 else y.argmax(axis=1)}
    if isinstance(X, StackedDigits):
        labels["digit"] = problem.dataset.test.labels[host(X.picks)[:samples, 0]].astype(int)
    return Represented(np.concatenate(parts), labels)


@on_one_thread
def measured(represented: Represented, seed: int = 0) -> dict[str, Any]:
    """Return the results of probes and principal components on Represented examples, a dict of JSON values.

    The probes are trained on half of the examples, drawn by `seed`, and tested on the others. For each label: the
    accuracies ``linear`` and ``neighbours`` (15) on all columns, ``leading`` (15 neighbours in the plane of two
    principal components), and ``chance``, that of the most frequent value. ``variance`` lists the shares of variance
    of the first ten components, all 0 if the representations are identical.

    Raises:
        ValueError: there are fewer than 40 examples, or one is not finite.
    """
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier

    h, (teach, test) = usable(represented.h), split(represented, seed)
    with np.errstate(invalid="ignore"):  # 0 / 0 if the variance is zero
        # The other solvers are random, or stop at a tolerance.
        pca = PCA(min(COMPONENTS, *h.shape), svd_solver="full").fit(h[teach])
    in_plane = pca.transform(h)[:, :LEADING]
    found: dict[str, Any] = {
        "variance": [round(float(share), 5) for share in np.nan_to_num(pca.explained_variance_ratio_)]
    }
    for name, values in learnable(represented, teach):
        near = lambda: KNeighborsClassifier(NEIGHBOURS)
        found[name] = {
            probe: accuracy(classifier, inputs, values, teach, test)
            for probe, classifier, inputs in (
                ("linear", linear_classifier(), h),
                ("neighbours", near(), h),
                ("leading", near(), in_plane),
            )
        }
        found[name]["chance"] = round(float(np.bincount(values[test]).max() / len(test)), 5)
    return found


@on_one_thread
def linear(represented: Represented, seed: int = 0) -> dict[str, float]:
    """Return the accuracies ``linear`` of ``measured``, name -> float, without the rest, which takes three times as long.

    Raises:
        ValueError: as ``measured``.
    """
    h, (teach, test) = usable(represented.h), split(represented, seed)
    return {
        name: accuracy(linear_classifier(), h, values, teach, test) for name, values in learnable(represented, teach)
    }


def learnable(represented, teach):
    """Return (name, values) of the labels that have more than one value among the examples `teach`."""
    return [(name, values) for name, values in represented.labels.items() if len(np.unique(values[teach])) > 1]


def split(represented, seed):
    """Return the places of the examples that probes are trained on, and of those that they are tested on."""
    order = np.random.default_rng(seed).permutation(len(represented.h))
    return order[: len(order) // 2], order[len(order) // 2 :]


def linear_classifier():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))


def accuracy(classifier, inputs, values, teach, test):
    """Return the accuracy on the examples `test` of a classifier that is fitted to the examples `teach`."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the probe is defined as 300 steps
        classifier.fit(inputs[teach], values[teach])
    return round(float((classifier.predict(inputs[test]) == values[test]).mean()), 5)


@on_one_thread
def plane(
    represented: Represented, kind: str = "tsne", samples: int = 1000, seed: int = 0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return points in a plane (m, 2) and their labels, name -> (m,), for the first m = `samples` examples.

    The points of a single hidden unit lie on a line; identical examples are one point.

    Args:
        kind: "tsne" (t-SNE; van der Maaten & Hinton 2008) or "pca".
        seed: of t-SNE.

    Raises:
        ValueError: as ``measured``; or the kind is unknown.
    """
    from sklearn.decomposition import PCA

    by_name("map", kind, dict.fromkeys(("tsne", "pca")))
    h = usable(represented.h[:samples])
    labels = {name: values[:samples] for name, values in represented.labels.items()}
    with np.errstate(invalid="ignore"):  # as in ``measured``
        few = PCA(min(50, *h.shape), svd_solver="full").fit_transform(h)
    flat = np.pad(few[:, :2], ((0, 0), (0, max(0, 2 - few.shape[1]))))
    spread = flat[:, 0].std()
    if kind == "pca" or spread == 0:
        return flat, labels
    from sklearn.manifold import TSNE

    # The equivalent of init="pca", which needs two columns, for one column.
    init = "pca" if few.shape[1] > 1 else (flat / spread * 1e-4).astype("float32")
    return TSNE(init=init, perplexity=min(30.0, len(few) / 4), random_state=seed).fit_transform(few), labels


def usable(h):
    """Return representations, scaled by a power of two if squares would overflow or vanish.

    No result here depends on the scale.

    Raises:
        ValueError: there are too few examples, or a number is not finite.
    """
    if len(h) < LEAST:
        raise ValueError(f"representations need at least {LEAST} examples, got {len(h)}")
    if not np.isfinite(h).all():
        raise ValueError("the representations are not finite: the network has diverged")
    largest = np.abs(h).max()
    return h if 1 / USUAL < largest < USUAL else np.ldexp(h, -np.frexp(largest)[1])
