import numpy as np
import pytest

import dfanp
from dfanp.theory import online

ZERO = np.zeros((2, 2))
START = dict(A=(1, 1), F=(1, 0.5), T=np.eye(2), Q=ZERO, R=ZERO, v=(0, 0), eta=0.1, eta_v=0.1)
# The hidden weights of a teacher and a student for which sgoldt/nn2pp quotes errors found with Mathematica; N = 5.
TEACHER = [
    [-0.878181, -0.675171, 0.200794, -0.385201, -1.47387],
    [-0.0760653, -0.450636, 0.887182, 0.376101, -0.0873384],
]
STUDENT = [
    [1.04404, 0.583583, 1.43897, 0.963895, 0.795075],
    [-0.864295, -0.911849, 2.02883, 0.783554, -1.01488],
    [-0.451547, -0.772216, 0.780296, 0.799456, -0.0126815],
]
A, V = (0.965846, -1.40304), (-1.3598, -0.0671005, -0.395626)
# The same for a soft committee (all output weights 1), N = 10.
COMMITTEE_TEACHER = [
    [
        -0.82269399,
        -0.36359333,
        -0.24440212,
        0.49828238,
        0.61007546,
        0.82557495,
        -0.28769147,
        0.24358059,
        -1.31009873,
        -1.15591452,
    ],
    [
        -0.28590803,
        -0.79115683,
        0.40729374,
        0.4940799,
        -1.17793196,
        0.56464427,
        1.99950537,
        0.64308283,
        0.31500115,
        0.18630809,
    ],
]
COMMITTEE = [
    [
        0.34998185,
        -0.51730095,
        -1.27672365,
        0.15857457,
        0.80636752,
        -1.30266436,
        1.04553608,
        -1.40581276,
        -0.40119664,
        0.31838932,
    ],
    [
        0.25096269,
        -0.70390653,
        -1.60709434,
        -1.4129378,
        0.29695629,
        -0.22066656,
        -0.06572677,
        -0.59777609,
        -0.83076419,
        -0.17760066,
    ],
    [
        1.35757829,
        -0.90800698,
        -1.06598149,
        0.93462077,
        0.38120508,
        -0.11103256,
        0.20648807,
        -0.14869054,
        1.72580801,
        0.59446499,
    ],
]


@pytest.mark.parametrize(
    "teacher, student, A, v, activation, error",
    [
        (COMMITTEE_TEACHER, COMMITTEE, (1, 1), (1, 1, 1), "erf", 1.08045),
        (TEACHER, STUDENT, A, V, "erf", 0.0803271),
        (TEACHER, STUDENT, A, V, "linear", 0.287911),
    ],
)
def test_error_against_published_values(teacher, student, A, v, activation, error):
    W, W_teacher = (np.transpose(w) / len(w[0]) ** 0.5 for w in (student, teacher))
    found = online.generalization_error(A=A, v=v, activation=activation, **online.overlaps(W, W_teacher))
    assert found == pytest.approx(error, rel=6e-6)


def test_a_trajectory_without_random_numbers():
    """DFA aligns v with F, then fits; BP stays at its saddle for ever."""
    found = dfanp.theory.online.trajectory("dfa", (0, 1, 5, 10, 50, 100, 1000), **START)
    expected = [0.333333, 0.333232, 0.322284, 0.271030, 0.018132, 0.014312, 0.012078]
    np.testing.assert_allclose(found.error, expected, atol=6e-7)
    np.testing.assert_allclose(found.v[5], [0.87808, 0.61243], atol=6e-6)
    cosines = found.v @ [1, 0.5] / np.linalg.norm(found.v[:, :], axis=1).clip(1e-300) / 1.25**0.5
    np.testing.assert_allclose(cosines[[3, 5, 6]], [0.9991, 0.9895, 0.9778], atol=6e-5)
    assert found.Q.shape == (7, 2, 2) and found.R.shape == (7, 2, 2) and found.v.shape == (7, 2)
    still = online.trajectory("bp", (5, 1000), **START | {"F": None})
    assert (still.error == still.error[0]).all() and not still.Q.any() and not still.v.any()


def test_bp_is_dfa_whose_feedback_is_v():
    """At the start, where their slopes are the same: the difference is of second order in the time."""
    rng = np.random.default_rng(0)
    start = online.overlaps(rng.normal(size=(9, 3)) / 3, rng.normal(size=(9, 2)) / 3)
    start |= dict(A=(1, -1), v=(0.5, -0.3, 0.2), eta=0.5, eta_v=0.4, sigma=0.3)
    gap = lambda t: max(
        abs(one - other).max()
        for one, other in zip(
            online.trajectory("bp", (t,), F=None, **start)[2:],
            online.trajectory("dfa", (t,), F=start["v"], **start)[2:],
            strict=True,
        )
    )
    assert gap(0.02) < 1e-3 and gap(0.02) / gap(0.01) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_averages_against_samples(activation):
    rng = np.random.default_rng(1)
    C = (L := rng.normal(size=(4, 4)) / 2) @ L.T
    a = rng.standard_normal((200_000, 4)) @ L.T
    f = dfanp.activations.get("erf" if activation == "erf" else "identity")
    g = f.f(np, a)
    slope = f.df(np, g)
    of, n, K = online.AVERAGES[activation], len(a), 2
    np.testing.assert_allclose(of.I2(C), g.T @ g / n, atol=0.02)
    np.testing.assert_allclose(of.J2(C), slope.T @ slope / n, atol=0.02)
    for i in range(K):
        np.testing.assert_allclose(of.I3(C, K)[i], (slope[:, [i]] * a).T @ g / n, atol=0.02)
        for k in range(K):
            np.testing.assert_allclose(
                of.I4(C, K)[i, k], ((slope[:, i] * slope[:, k])[:, None] * g).T @ g / n, atol=0.02
            )


@pytest.mark.parametrize("rule, activation", [("bp", "identity"), ("dfa", "erf")])
def test_simulation_lies_within_its_spread_around_the_theory(rule, activation):
    """N = 500, four seeds, noise, one rate for each layer: the mean deviation is within three standard errors."""
    N, eta, eta_v, alpha, seeds = 500, 0.8, 0.5, 3, (100, 101, 102, 103)
    backend = dfanp.Backend("cpu", threads=1)
    linear = activation == "identity"
    problem = dfanp.Teacher(N, 2, "linear" if linear else "erf", noise=0.1, test_size=1, backend=backend)
    network = dfanp.MLP([N, 3, 1], activation, dtype="float64", seed=seeds, backend=backend)
    feedback = dfanp.Feedback("standard-gaussian")
    lr = {0: eta / N, 1: eta_v / N}
    training = dfanp.Training(network, problem, rule, dfanp.SGD(lr=lr), feedback, batch_size=1)
    state = lambda r: online.overlaps(network.W[0][r], problem.W) | {"v": network.W[1][r, :, 0]}
    common = dict(A=problem.A, activation="linear" if linear else "erf")
    theory = []
    for r in range(len(seeds)):
        F = training.B[0][r][0] if rule == "dfa" else None
        more = dict(F=F, eta=eta, eta_v=eta_v, sigma=0.1)
        theory.append(online.trajectory(rule, (alpha,), **state(r), **common, **more).error[0])
    list(training.epochs(alpha))
    simulated = [online.generalization_error(**state(r), **common) for r in range(len(seeds))]
    off = np.log(np.array(simulated) / theory)
    assert abs(off).max() < 0.25  # a linear student leaves its saddle early or late: 10 % each, at this N
    assert abs(off.mean()) < 3 * off.std(ddof=1) / len(off) ** 0.5


def test_times_in_any_order_and_none_at_all():
    there, start = (online.trajectory("dfa", times, **START) for times in ((5, 0, 5), (0, 0)))
    assert there.error[0] == there.error[2] < there.error[1] == start.error[0] and there.times.tolist() == [5, 0, 5]


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(rule="kp"), "rule must be 'bp', 'fa' or 'dfa', got 'kp'"),
        (dict(activation="relu"), "activation must be 'erf' or 'linear', got 'relu'"),
        (dict(times=()), r"times must have the shape \(n,\).*, got \(0,\)"),
        (dict(times=(-1, 1)), "times must be at least 0, got -1"),
        (dict(A="one"), r"A must be an array of real numbers of shape \(n,\), got 'one'"),
        (dict(F=(1, 2, 3)), r"F must have the shape \(2,\).*, got \(3,\)"),
        (dict(F=None), "F must be an array of real numbers|F must have the shape"),
        (dict(T=np.eye(3)), r"T must have the shape \(2, 2\).*, got \(3, 3\)"),
        (dict(Q=[[1, 0.5], [0, 1]]), "Q must be symmetric"),
        (dict(Q=[[np.nan, 0], [0, 1]]), "Q must be finite, got NaN"),
        (dict(R=np.ones((2, 2))), "Q, R and T must be overlaps of weights"),
        (dict(v=()), r"v must have the shape \(n,\)"),
        (dict(eta=-1), "eta must be at least 0, got -1"),
        (dict(eta_v=float("inf")), "eta_v must be at least 0"),
        (dict(sigma="1"), "sigma must be at least 0"),
        (
            dict(v=(2, 0), Q=np.eye(2), eta=20, eta_v=0, times=(1, 5), activation="linear", rule="bp"),
            "times must end before",
        ),
    ],
)
def test_what_does_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        online.trajectory(**{"rule": "dfa", "times": (1,)} | START | given)
