"""Online learning of a student by a teacher, exact for infinitely many inputs.

Each step has a fresh example x ~ N(0, I_N). The student has K hidden units with pre-activations
λ_k = w_k·x/√N, the teacher M with ν_m = w*_m·x/√N; both have the activation g:

    y = Σ_m A_m g(ν_m) + σζ,   ŷ = Σ_k v_k g(λ_k),   E = y - ŷ,   ζ ~ N(0, 1)
    w_k += (η/√N) f_k g'(λ_k) E x        f = v under BP; f = F, fixed, under FA and DFA
    v_k += (η_v/N) g(λ_k) E              time α = steps/N

For N → ∞ the overlaps Q = w wᵀ/N, R = w w*ᵀ/N (T = w* w*ᵀ/N is constant) obey ordinary
differential equations (Saad & Solla 1995, eqs. 4 to 6; Goldt et al. 2019, with v; Refinetti, d'Ascoli,
Ohana & Goldt 2021, appendix, with F). Here they are written with all K + M units in one list,
student first: C = [[Q, R], [Rᵀ, T]] is the covariance of their pre-activations, and
u = (-v, A) their weights in E = Σ_c u_c g(c) + σζ. With i, k of the student, n of the teacher,
c and d of both:

    dR_in/dα = η f_i Σ_c u_c I3(i,n,c)
    dQ_ik/dα = η f_i Σ_c u_c I3(i,k,c) + (i ↔ k) + η² f_i f_k [ Σ_cd u_c u_d I4(i,k,c,d) + σ² J2(i,k) ]
    dv_i/dα  = η_v Σ_c u_c I2(i,c)
    ε_g      = ½ Σ_cd u_c u_d I2(c,d)

The averages I2 = ⟨g(a) g(b)⟩, J2 = ⟨g'(a) g'(b)⟩, I3 = ⟨g'(a) b g(c)⟩ and
I4 = ⟨g'(a) g'(b) g(c) g(d)⟩ are known in closed form for g(z) = erf(z/√2) and g(z) = z.

A student without weights: BP stays there for ever, DFA leaves, aligns its v with F, then fits:

    >>> zero = np.zeros((2, 2))
    >>> start = dict(A=(1, 1), F=(1, 0.5), T=np.eye(2), Q=zero, R=zero, v=(0, 0), eta=0.1, eta_v=0.1)
    >>> trajectory("bp", (0, 10, 100), **start).error.round(4).tolist()
    [0.3333, 0.3333, 0.3333]
    >>> trajectory("dfa", (0, 10, 100), **start).error.round(4).tolist()
    [0.3333, 0.271, 0.0143]
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..checks import choice, number
from ..errors import shown
from .arguments import array

RULES = ("bp", "fa", "dfa")  # with one hidden layer FA and DFA are the same
PRECISION = 1e-10  # relative, of the integrator; the absolute one is a hundredth of it
PSD = 1e-9  # how far rounding may take the smallest eigenvalue of C below 0, relative to the largest entry


class Averages(NamedTuple):
    """Gaussian averages of an activation, for zero-mean units with the covariance C, (P, P).

    Attributes:
        I2: ``I2(C)``, ⟨g(a) g(b)⟩, (P, P).
        J2: ``J2(C)``, ⟨g'(a) g'(b)⟩, (P, P).
        I3: ``I3(C, K)``, ⟨g'(a) b g(c)⟩ for a of the first K units, (K, P, P).
        I4: ``I4(C, K)``, ⟨g'(a) g'(b) g(c) g(d)⟩ for a and b of the first K units, (K, K, P, P).
    """

    I2: Any
    J2: Any
    I3: Any
    I4: Any


def arcsine(x):
    """Return (2/π) asin(x); rounding may have taken |x| beyond 1."""
    return 2 / np.pi * np.arcsin(np.clip(x, -1, 1))


def erf_I2(C):
    one = 1 + np.diag(C)
    return arcsine(C / np.sqrt(np.outer(one, one)))


def erf_J2(C):
    one = 1 + np.diag(C)
    return 2 / np.pi / np.sqrt(np.outer(one, one) - C**2)


def erf_I3(C, K):
    one, ab = 1 + np.diag(C), C[:K]
    a = one[:K, None, None]
    L3 = a * one[None, None, :] - ab[:, None, :] ** 2
    return 2 / np.pi * (C[None] * a - ab[:, :, None] * ab[:, None, :]) / (a * np.sqrt(L3))


def erf_I4(C, K):
    one = 1 + np.diag(C)
    a, b = one[:K, None, None, None], one[None, :K, None, None]
    ab, cd = C[:K, :K, None, None], C[None, None]
    ac, ad = C[:K, None, :, None], C[:K, None, None, :]
    bc, bd = C[None, :K, :, None], C[None, :K, None, :]
    L4 = a * b - ab**2
    L0 = L4 * cd - bc * bd * a - ac * ad * b + ab * ac * bd + ab * ad * bc
    of = lambda x, ax, bx: L4 * x - bx**2 * a - ax**2 * b + 2 * ab * ax * bx  # Λ1 for c, Λ2 for d
    L1, L2 = of(one[None, None, :, None], ac, bc), of(one[None, None, None, :], ad, bd)
    return 2 / np.pi / np.sqrt(L4) * arcsine(L0 / np.sqrt(L1 * L2))


AVERAGES = {
    "erf": Averages(erf_I2, erf_J2, erf_I3, erf_I4),
    "linear": Averages(
        lambda C: C,
        np.ones_like,
        lambda C, K: np.broadcast_to(C, (K, *C.shape)),
        lambda C, K: np.broadcast_to(C, (K, K, *C.shape)),
    ),
}


class Trajectory(NamedTuple):
    """The solution at ``times``, of length n.

    Attributes:
        error: the generalization error ε_g, half the mean squared difference of teacher (without
            its noise) and student, (n,).
        Q, R, v: the overlaps and the output weights, (n, K, K), (n, K, M) and (n, K).
    """

    times: np.ndarray
    error: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    v: np.ndarray


def trajectory(
    rule: str,
    times: Sequence[float],
    A: Any,
    F: Any,
    T: Any,
    Q: Any,
    R: Any,
    v: Any,
    eta: float,
    eta_v: float,
    sigma: float = 0.0,
    activation: str = "erf",
) -> Trajectory:
    """Return the solution of the equations above, integrated to about nine digits.

    Args:
        rule: "bp", "fa" or "dfa". FA and DFA are the same for one hidden layer.
        times: α ≥ 0 = steps per input dimension, in any order; the start is at 0.
        A: the teacher's output weights, (M,).
        F: the feedback weights, (K,); not read under "bp".
        T: the teacher's overlaps, (M, M).
        Q, R, v: of the student at the start, (K, K), (K, M) and (K,).
        eta, eta_v: the learning rates of the hidden and of the output weights, at least 0. In a
            ``Training`` with batches of one example the rates are eta/N and eta_v/N.
        sigma: standard deviation of the noise of the teacher's output, at least 0.
        activation: "erf", erf(z/√2), or "linear", z.

    Raises:
        ValueError: an argument has another shape, is not finite or out of its range; Q, R and T are
            not overlaps of weights (C has a negative eigenvalue); or the solution diverges.
    """
    choice("rule", rule, RULES)
    choice("activation", activation, tuple(AVERAGES))
    A, v = array("A", A, None), array("v", v, None)
    M, K = len(A), len(v)
    F = None if rule == "bp" else array("F", F, K, beside="v")
    C = covariance(*overlaps_of(Q, R, T, K, M))
    alpha = array("times", times, None)
    if alpha.min() < 0:
        raise ValueError(f"times must be at least 0, got {alpha.min():g}")
    eta, eta_v = number("eta", eta, least=0), number("eta_v", eta_v, least=0)
    sigma = number("sigma", sigma, least=0)
    g, T = AVERAGES[activation], C[K:, K:]

    def slope(_, state):
        C, v = unpacked(state, T, K)
        u, f = np.concatenate([-v, A]), v if F is None else F
        pull = eta * f[:, None] * (g.I3(C, K) @ u)  # (K, K + M): of Q and of R
        noise = eta**2 * np.outer(f, f) * (g.I4(C, K) @ u @ u + sigma**2 * g.J2(C)[:K, :K])
        return np.concatenate(
            [(pull[:, :K] + pull[:, :K].T + noise).ravel(), pull[:, K:].ravel(), eta_v * (g.I2(C)[:K] @ u)]
        )

    states = solved(slope, np.concatenate([C[:K, :K].ravel(), C[:K, K:].ravel(), v]), alpha)
    each = [unpacked(state, T, K) for state in states]
    return Trajectory(
        alpha,
        np.array([weighted_error(g, C, v, A) for C, v in each]),
        np.array([C[:K, :K] for C, _ in each]),
        np.array([C[:K, K:] for C, _ in each]),
        np.array([v for _, v in each]),
    )


def generalization_error(A: Any, T: Any, Q: Any, R: Any, v: Any, activation: str = "erf") -> float:
    """Return ε_g = ½ ⟨(Σ_m A_m g(ν_m) - Σ_k v_k g(λ_k))²⟩, for arguments as in ``trajectory``."""
    choice("activation", activation, tuple(AVERAGES))
    A, v = array("A", A, None), array("v", v, None)
    M, K = len(A), len(v)
    C = covariance(*overlaps_of(Q, R, T, K, M))
    return weighted_error(AVERAGES[activation], C, v, A)


def overlaps_of(Q, R, T, K, M):
    """Return Q, R and T as arrays that fit K and M units."""
    return array("Q", Q, K, K, beside="v"), array("R", R, K, M, beside="v and A"), array("T", T, M, M, beside="A")


def weighted_error(g, C, v, A):
    u = np.concatenate([-v, A])
    return float(u @ g.I2(C) @ u) / 2


def covariance(Q, R, T):
    """Return C = [[Q, R], [Rᵀ, T]]; a ValueError if it is not a covariance."""
    for name, X in (("Q", Q), ("T", T)):
        if not np.allclose(X, X.T, rtol=1e-9, atol=1e-12):
            raise ValueError(f"{name} must be symmetric, got entries that differ by {abs(X - X.T).max():g}")
    C = np.block([[Q, R], [R.T, T]])
    least = np.linalg.eigvalsh(C).min()
    if least < -PSD * max(1.0, abs(C).max()):
        raise ValueError(
            f"Q, R and T must be overlaps of weights: [[Q, R], [R.T, T]] has the eigenvalue {least:.3g}, below 0"
        )
    return C


def unpacked(state, T, K):
    """Return C and v of a state: Q, R and v, one after the other."""
    Q, R, v = np.split(state, [K * K, K * (K + len(T))])
    Q, R = Q.reshape(K, K), R.reshape(K, len(T))
    return np.block([[Q, R], [R.T, T]]), v


def solved(slope, start, times):
    """Return the solution at each of `times`, (n, size of the state)."""
    from scipy.integrate import solve_ivp

    each, place = np.unique(np.append(0.0, times), return_inverse=True)
    if len(each) == 1:
        return np.tile(start, (len(times), 1))
    with np.errstate(all="ignore"):  # on the way to a divergence, which is reported below
        found = solve_ivp(slope, (0, each[-1]), start, "LSODA", each, rtol=PRECISION, atol=PRECISION / 100)
    finite = np.isfinite(found.y).all(axis=0)
    if not found.success or not finite.all():
        last = np.max(found.t[finite], initial=0.0)
        raise ValueError(
            f"times must end before the solution diverges, which it does after {last:g}: got {shown(float(each[-1]))}; "
            f"with a smaller eta, eta_v or sigma it may not"
        )
    return found.y.T[place.ravel()[1:]]


def overlaps(W: Any, W_teacher: Any) -> dict[str, np.ndarray]:
    """Return the overlaps T, Q and R of hidden weights of this library, for ``trajectory``.

    There the pre-activations are x @ W without 1/√N, so W = wᵀ/√N, and Q = WᵀW.

    Args:
        W, W_teacher: of the student and of the teacher, (N, K) and (N, M).
    """
    W = array("W", W, None, None)
    W_teacher = array("W_teacher", W_teacher, len(W), None, beside="W")
    return {"T": W_teacher.T @ W_teacher, "Q": W.T @ W, "R": W.T @ W_teacher}
