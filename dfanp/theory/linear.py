"""Deep linear networks under DFA, solved exactly, and a conservation law of feedback alignment.

**Alignment matrices.** A linear network without biases, all weights zero, is trained by DFA with
plain SGD, whatever the batches. Then at all times (Refinetti, d'Ascoli, Ohana & Goldt 2021,
section 4, in this library's notation, L weight matrices, B_l of hidden layer l, (d_L, d_l))

    W[0] = C B_1,   W[l] = B_lᵀ A_l B_{l+1},   W[L-1] = B_{L-1}ᵀ A_{L-1}
    C = -η Σ_t Xᵀe,   A_l = -η Σ_t g_lᵀ e,   g_1 = X C,   g_{l+1} = g_l (B_l B_lᵀ) A_l

with h_l = g_l B_l and logits g_L. The A_l are d_L × d_L, whatever the widths: "alignment matrices".
So W[l] aligns with B_lᵀ B_{l+1}, strongly where A_l is near a multiple of the identity; the
targets' statistics decide. The gradients align if also B_l B_lᵀ is, as for orthogonal B.

    >>> rng = np.random.default_rng(0)
    >>> B = [rng.normal(size=(2, 9)), rng.normal(size=(2, 7))]
    >>> X, y = rng.normal(size=(20, 5)), rng.normal(size=(20, 2))
    >>> C, A = alignment_matrices([(X, y)] * 50, B, eta=0.02)
    >>> [each.shape for each in (C, *A)]
    [(5, 2), (2, 2), (2, 2)]
    >>> [each.shape for each in weights(C, A, B)]
    [(5, 9), (9, 7), (7, 2)]

**Conservation.** Under gradient flow with relu or linear units and no biases (Robertson & Koyejo
2024)

    ⟨W[l], B_lᵀ⟩ - ½ |W[l-1]|²

is constant: for FA at each hidden layer l, for DFA at the last one. With BP W[l] takes the place of
B_lᵀ and the law is |W[l]|² - |W[l-1]|² (Du, Hu & Lee 2018). Gradient descent leaves the constant in
proportion to its rate. The law says why FA must align: as W[l-1] grows, so does ⟨W[l], B_lᵀ⟩.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import losses
from ..alignment import cosine
from ..checks import choice, number
from ..losses import Loss
from .arguments import array, matrices


def alignment_matrices(
    batches: Iterable[tuple[Any, Any]], B: Sequence[Any], eta: float, loss: str | Loss = "mse"
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return C, (D, d_L), and the list of A_l, (d_L, d_L) each, after one step of SGD per batch, from zero.

    Args:
        batches: (X, y) of each step in order, (n, D) and (n, d_L).
        B: the feedback matrices of the hidden layers, lowest first, (d_L, d_l) each.
        eta: the learning rate, above 0.
        loss: a ``Loss`` or its name; e is its error, with the mean over the batch in it.

    Raises:
        ValueError: a shape does not fit, or a value is not finite; or there is no batch.
    """
    B, loss, eta = feedback_of(B), losses.get(loss), number("eta", eta, above=0)
    outputs, C = B[0].shape[0], None
    squares, A = [b @ b.T for b in B], [np.zeros((outputs, outputs)) for _ in B]
    for X, y in batches:
        X = array("X of a batch", X, None, None if C is None else len(C))
        y = array("y of a batch", y, len(X), outputs, beside="X and B")
        if C is None:
            C = np.zeros((X.shape[1], outputs))
        g = [X @ C]
        for square, of in zip(squares, A, strict=True):
            g.append(g[-1] @ square @ of)
        e = loss.error(np, g[-1], y)
        C -= eta * X.T @ e
        for of, below in zip(A, g, strict=False):
            of -= eta * below.T @ e
    if C is None:
        raise ValueError("batches must have at least one (X, y), got none")
    return C, A


def weights(C: Any, A: Sequence[Any], B: Sequence[Any]) -> list[np.ndarray]:
    """Return the weight matrices W[0] … W[L-1] of ``alignment_matrices``, for the B that it took."""
    B = feedback_of(B)
    outputs = B[0].shape[0]
    C = array("C", C, None, outputs, beside="B")
    A = [array(f"A[{l}]", a, outputs, outputs, beside="B") for l, a in enumerate(matrices("A", A, len(B), "B"))]
    return [C @ B[0], *(b.T @ a @ above for a, b, above in zip(A, B, [*B[1:], np.eye(outputs)], strict=True))]


def weight_alignment(W: Sequence[Any], B: Sequence[Any]) -> list[float]:
    """Return the cosine of W[l] and B_lᵀ B_{l+1} for l = 1 … L-1, where B_L is the identity.

    The last one is the weight alignment of ``dfanp.alignment``; the others have no analogue there, since DFA's B
    replaces a product of weights (layerwise weight alignment; Refinetti et al. 2021, section 4).

    Args:
        W: the L weight matrices, host arrays, lowest first.
        B: the feedback matrices of DFA, host arrays, lowest first, (d_L, d_l) each.
    """
    B = feedback_of(B)
    W = weights_of(W, [b.shape[1] for b in B], B[0].shape[0])
    above = [*B[1:], np.eye(B[0].shape[0])]
    return [float(cosine(np, w, b.T @ up)) for w, b, up in zip(W[1:], B, above, strict=True)]


def conserved(rule: str, W: Sequence[Any], B: Sequence[Any] = ()) -> np.ndarray:
    """Return what gradient flow conserves, one number for each hidden layer that has a law, lowest first.

    Args:
        rule: "fa": ⟨W[l], B_lᵀ⟩ - ½ |W[l-1]|², l = 1 … L-1; "dfa": the same for l = L-1 alone; "bp":
            ½ |W[l]|² - ½ |W[l-1]|², l = 1 … L-1.
        W: the L ≥ 2 weight matrices, host arrays, lowest first.
        B: the feedback matrices, host arrays, lowest first; not read under "bp".

    Raises:
        ValueError: a shape does not fit.
    """
    choice("rule", rule, ("bp", "fa", "dfa"))
    W = [array(f"W[{l}]", w, None, None) for l, w in enumerate(matrices("W", W))]
    if len(W) < 2:
        raise ValueError(f"W must have at least two matrices, since the laws are of hidden layers, got {len(W)}")
    if rule == "bp":
        partners = [w / 2 for w in W[1:]]
    else:
        B = matrices("B", B, len(W) - 1, "W")
        partners = [
            None
            if rule == "dfa" and l < len(W) - 1
            else array(f"B[{l - 1}]", B[l - 1], *W[l].shape[::-1], beside="W").T
            for l in range(1, len(W))
        ]
    laws = [(p, up, low) for p, up, low in zip(partners, W[1:], W[:-1], strict=True) if p is not None]
    return np.array([np.sum(p * up) - np.sum(low**2) / 2 for p, up, low in laws])


def feedback_of(B):
    """Return B as a list of arrays with the same number of rows; a ValueError for anything else."""
    first, *others = matrices("B", B)
    first = array("B[0]", first, None, None)
    return [first, *(array(f"B[{l}]", b, len(first), None, beside="B[0]") for l, b in enumerate(others, 1))]


def weights_of(W, widths, outputs):
    """Return W as a list of arrays that fit these widths of the hidden layers."""
    W = matrices("W", W, len(widths) + 1, "B")
    shapes = zip([None, *widths], [*widths, outputs], strict=True)
    return [array(f"W[{l}]", w, *shape, beside="B") for l, (w, shape) in enumerate(zip(W, shapes, strict=True))]
