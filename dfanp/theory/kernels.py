"""Networks of one hidden layer and infinite width are kernels; what these learn is known by one linear system.

θ is the angle between x and z. A layer of H units has hidden weights of variance σ0², output weights
of variance σ1², both of mean 0, and no biases (Cho & Saul 2009, eqs. 1 to 6, for relu; Williams 1998,
eq. 11, for erf; Jacot, Gabriel & Hongler 2018 for the NTK; Daniely & Malach 2020 for the gate):

    k0 = (π - θ)/2π,   k1 = σ0² |x||z| (sin θ + (π - θ) cos θ)/2π
    relu features        H k1                               ⟨relu relu⟩, only the output layer learns
    NTK of relu          H k1 + H σ1² (x·z) k0              Σ of gradients · gradients, all layers learn
    step-gated NTK       H (σ0² + σ1²) (x·z) k0             the network of dfanp.baselines.NTK with gate "step"
    erf features         H I2,   I2 = (2/π) asin(σ0² x·z / √((1+σ0²|x|²)(1+σ0²|z|²)))
    NTK of erf           H I2 + H σ1² (x·z) J2,   J2 = (2/π) / √((1+σ0²|x|²)(1+σ0²|z|²) - (σ0² x·z)²)

This library's uniform weights have σ0² = 1/(3 D) and σ1² = 1/(3 H), the defaults here. The features
of a finite network approach these kernels as H grows, for weights from a normal distribution, and for
uniform ones if besides D is large (the sum of many weights is then normal).

Kernel ridge classifies the parity of one digit, and that of three no better than chance; a network
that learns features does (``dfanp.baselines``):

    >>> import dfanp
    >>> for k in (1, 3):
    ...     problem = dfanp.Parity(dfanp.load("digits"), k=k, train_size=600, test_size=500)
    ...     print(k, accuracy(problem, relu_ntk) > 0.9, accuracy(problem, relu_ntk) > 0.6)
    1 True True
    3 False False
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import losses
from ..checks import number, whole
from ..checks import seed as checked_seed
from .arguments import array

Kernel = Callable[..., np.ndarray]


def inner(X, Z, hidden_variance, output_variance, units):
    """Return x·z, (n, m), the squared norms (n, 1) and (1, m), σ0², σ1² and H, checked."""
    X = array("X", X, None, None)
    Z = array("Z", Z, None, X.shape[1], beside="X")
    units = whole("units", units)
    hidden = 1 / (3 * X.shape[1]) if hidden_variance is None else number("hidden_variance", hidden_variance, above=0)
    output = 1 / (3 * units) if output_variance is None else number("output_variance", output_variance, least=0)
    return X @ Z.T, np.sum(X**2, axis=1)[:, None], np.sum(Z**2, axis=1)[None], hidden, output, units


def arc_cosine(dot, xx, zz):
    """Return k0, and k1 without its factor σ0², (n, m). An input of norm 0 has k1 = 0."""
    norms = np.sqrt(xx * zz)
    cos = np.clip(np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0), -1, 1)
    theta = np.arccos(cos)
    return (np.pi - theta) / (2 * np.pi), norms * (np.sin(theta) + (np.pi - theta) * cos) / (2 * np.pi)


def relu_features(
    X: Any, Z: Any, units: int = 512, hidden_variance: float | None = None, output_variance: float | None = None
) -> np.ndarray:
    """Return the mean of Σ_h relu(w_h·x) relu(w_h·z) over the hidden weights, (n, m).

    Args:
        X, Z: inputs, (n, D) and (m, D).
        units: H.
        hidden_variance: σ0², above 0; None takes 1/(3 D).
        output_variance: σ1², at least 0; None takes 1/(3 H). Not read by kernels of features.

    Raises:
        ValueError: a shape does not fit, a value is not finite or out of its range.
    """
    dot, xx, zz, hidden, _, H = inner(X, Z, hidden_variance, output_variance, units)
    return H * hidden * arc_cosine(dot, xx, zz)[1]


def relu_ntk(
    X: Any, Z: Any, units: int = 512, hidden_variance: float | None = None, output_variance: float | None = None
) -> np.ndarray:
    """Return the neural tangent kernel of a relu layer, (n, m): arguments of ``relu_features``."""
    dot, xx, zz, hidden, output, H = inner(X, Z, hidden_variance, output_variance, units)
    k0, k1 = arc_cosine(dot, xx, zz)
    return H * hidden * k1 + H * output * dot * k0


def step_gated_ntk(
    X: Any, Z: Any, units: int = 512, hidden_variance: float | None = None, output_variance: float | None = None
) -> np.ndarray:
    """Return the neural tangent kernel of h = (x W0) (x G > 0), G fixed, (n, m): arguments of ``relu_features``."""
    dot, xx, zz, hidden, output, H = inner(X, Z, hidden_variance, output_variance, units)
    return H * (hidden + output) * dot * arc_cosine(dot, xx, zz)[0]


def erf_features(
    X: Any, Z: Any, units: int = 512, hidden_variance: float | None = None, output_variance: float | None = None
) -> np.ndarray:
    """Return the mean of Σ_h g(w_h·x) g(w_h·z), g(a) = erf(a/√2), (n, m): arguments of ``relu_features``."""
    dot, xx, zz, hidden, _, H = inner(X, Z, hidden_variance, output_variance, units)
    return H * I2(hidden * dot, (1 + hidden * xx) * (1 + hidden * zz))


def erf_ntk(
    X: Any, Z: Any, units: int = 512, hidden_variance: float | None = None, output_variance: float | None = None
) -> np.ndarray:
    """Return the neural tangent kernel of a layer of erf(a/√2), (n, m): arguments of ``relu_features``."""
    dot, xx, zz, hidden, output, H = inner(X, Z, hidden_variance, output_variance, units)
    ones = (1 + hidden * xx) * (1 + hidden * zz)
    J2 = 2 / np.pi / np.sqrt(ones - (hidden * dot) ** 2)
    return H * I2(hidden * dot, ones) + H * output * dot * J2


def I2(C, ones):
    return 2 / np.pi * np.arcsin(np.clip(C / np.sqrt(ones), -1, 1))


def ridge(
    X: Any, y: Any, X_test: Any, kernel: Kernel = relu_ntk, penalty: float = 1e-4, **of_kernel: Any
) -> np.ndarray:
    """Return the predictions of kernel ridge regression, K(X_test, X) (K(X, X) + λ)⁻¹ y, (m, d_L).

    They are those of an infinitely wide network with squared error, trained by gradient flow until it has
    converged (for the NTK) with an L2 penalty; its outputs before training count as 0.

    Args:
        X, y: training inputs (n, D) and targets (n, d_L).
        X_test: (m, D).
        kernel: ``kernel(X, Z, **of_kernel)`` returns (n, m).
        penalty: λ relative to the mean of K(x, x) over the training inputs, above 0.

    Raises:
        ValueError: a shape does not fit, or a value is not finite or out of its range.
    """
    from sklearn.kernel_ridge import KernelRidge

    X = array("X", X, None, None)
    y, X_test = array("y", y, len(X), None, beside="X"), array("X_test", X_test, None, X.shape[1], beside="X")
    K = kernel(X, X, **of_kernel)
    strength = number("penalty", penalty, above=0) * float(np.mean(np.diag(K)))
    if not strength > 0:
        raise ValueError("X must have inputs other than zero: the kernel of all of them is 0")
    return KernelRidge(alpha=strength, kernel="precomputed").fit(K, y).predict(kernel(X_test, X, **of_kernel))


def accuracy(
    problem: Any, kernel: Kernel = relu_ntk, penalty: float = 1e-4, seed: int = 0, **of_kernel: Any
) -> float:
    """Return the test accuracy of ``ridge`` on the first epoch of a problem, with targets 2 y - 1.

    Time grows with the cube of the training examples: 4000 take some seconds.

    Args:
        problem: of classification, see ``dfanp.problems``.
        kernel, penalty, of_kernel: as in ``ridge``.
        seed: of the examples.

    Raises:
        ValueError: the problem is one of regression; or see ``ridge``.
    """
    loss = losses.get(problem.loss)
    if loss.correct is None:
        raise ValueError(f"problem must be one of classification, got one with the loss {loss.name!r}")
    seed = checked_seed(seed)
    (X, y), (X_test, y_test) = problem.train(seed, 1), problem.test(seed, 1)
    X, X_test, y, y_test = (on_host(problem.backend, each) for each in (X, X_test, y, y_test))
    return float(np.mean(loss.correct(np, ridge(X, 2.0 * y - 1, X_test, kernel, penalty, **of_kernel), y_test)))


def on_host(backend, examples):
    """Return examples as a dense NumPy array, float64."""
    dense = examples.dense() if hasattr(examples, "dense") else examples
    return np.asarray(backend.to_host(dense), dtype=float)
