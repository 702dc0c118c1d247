"""Linear targets of Gaussian inputs, of any conditioning and with noise: what decides whether DFA aligns.

x ~ N(0, I_D), y = x T + σ ζ with T = U diag(s) Vᵀ, (D, d_L), random orthonormal U and V, and singular values s from 1 down
to 1/κ in equal ratios; the test targets have no noise. Without biases and from zero weights a deep linear network on such
targets obeys ``dfanp.theory.linear`` exactly (Refinetti et al. 2021, section 4): the alignment of its weights depends on the
conditioning of the alignment matrices, and so on κ.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dfanp

from ..checks import MOST
from ..errors import by_name
from ..system.lazy import lazy
from .fields import setting, settings_of
from .rates import Rate
from .settings import TrainingSettings

if TYPE_CHECKING:
    from ..backend import Backend

np = lazy("numpy")
OWN = {"targets": 0, "test": 1}  # streams


class TargetsSettings(TrainingSettings):
    """Train a network on noisy linear targets of Gaussian inputs, to see when feedback aligns.

    --condition is the ratio of the largest to the smallest singular value of the targets' map. The network is linear by
    default, without biases, and starts from weights that are --start times the usual ones; with 0 its weights are known
    exactly (dfanp.theory.linear).
    """

    lr: float = setting(unset="0.02")
    opt: str = "sgd"
    epochs: int = 10
    batch_size: int = 10
    hidden: tuple[int, ...] = (30, 30)
    activation: str = "identity"
    dtype: str = "float64"
    inputs: int = setting(20, "Number of inputs.", least=1, most=10**5)
    targets: int = setting(5, "Number of outputs, at most that of inputs.", least=1, most=10**4)
    condition: float = setting(1.0, "Condition number of the targets' map.", least=1, most=1e6)
    noise: float = setting(0.0, "Standard deviation of the noise of the training targets.", least=0, most=1e6)
    start: float = setting(0.0, "Factor of the initial weights.", least=0, most=1e3)
    train_size: int = setting(500, "Number of training examples, new in each epoch.", least=1, most=MOST)
    test_size: int = setting(500, "Number of test examples.", least=1, most=MOST)

    name = "targets"
    about = "linear targets, to see when feedback aligns"
    examples = (
        "dfanp targets --condition 10 --align --repeats 3",
        "dfanp targets --feedback orthogonal --hidden 30,30,30 --noise 1",
        "dfanp tune targets --condition 1,10,100 --feedback uniform,orthogonal --lr 0.02 --repeats 5 --align --out aligned",
    )

    @property
    def title(self):
        return f"{self.targets} linear targets of {self.inputs} inputs, condition {self.condition:g}, noise {self.noise:g}"

    def starting_rate(self):
        return Rate(0.02, f"the default of {self.name}")

    def problem(self, dataset, backend):
        sizes = self.inputs, self.targets, self.condition, self.noise, self.train_size, self.test_size
        return Targets(*sizes, self.dtype, backend)

    def network(self, problem, seed):
        network = super().network(problem, seed)
        network.load(
            {name: self.start * problem.backend.to_host(theta) for name, theta in network.parameters.items()}
        )
        return network

    def features(self, dataset):
        return self.inputs

    def bytes_of_examples(self, features):
        return (self.train_size + self.test_size) * 8 * (features + self.targets)


SETTINGS = settings_of(TargetsSettings)


class Targets:
    """Gaussian inputs and linear targets; the map and the examples depend on the seed of the run.

    Args:
        inputs, targets, condition, noise, train_size, test_size: as in ``TargetsSettings``.
        dtype: of the arrays, ``"float32"`` or ``"float64"``.
        backend: a ``Backend``; None takes the CPU.

    Raises:
        ValueError: a size is out of its range, or there are more targets than inputs.
    """

    loss = "mse"

    def __init__(
        self,
        inputs: int = TargetsSettings.inputs,
        targets: int = TargetsSettings.targets,
        condition: float = TargetsSettings.condition,
        noise: float = TargetsSettings.noise,
        train_size: int = TargetsSettings.train_size,
        test_size: int = TargetsSettings.test_size,
        dtype: str = TargetsSettings.dtype,
        backend: "Backend | None" = None,
    ) -> None:
        by_name("dtype", dtype, dict.fromkeys(dfanp.network.DTYPES))
        given = dict(inputs=inputs, targets=targets, condition=condition, noise=noise)
        given |= dict(train_size=train_size, test_size=test_size)
        self.features, self.outputs, self.condition, self.noise, self.train_size, self.test_size = (
            SETTINGS[name].checked(value) for name, value in given.items()
        )
        if self.outputs > self.features:
            raise ValueError(f"targets must be at most the {self.features} inputs, got {self.outputs}")
        self.dtype, self.backend = dtype, backend or dfanp.Backend("cpu")

    def map(self, seed: int) -> Any:
        """Return T of a seed, a host array, float64 (D, d_L)."""
        rng = dfanp.streams.streams(seed).points(OWN["targets"], 0)
        U, _ = np.linalg.qr(rng.standard_normal((self.features, self.outputs)))
        V, _ = np.linalg.qr(rng.standard_normal((self.outputs, self.outputs)))
        return (U * np.geomspace(1.0, 1.0 / self.condition, self.outputs)) @ V.T

    def train(self, seed: int | Sequence[int], epoch: int) -> Sequence[Any]:
        """Return the training set of an epoch, (n, D) and (n, d_L); with R seeds a leading R."""
        return self._drawn(seed, lambda one: dfanp.streams.streams(one).train(epoch), self.train_size, self.noise)

    def test(self, seed: int | Sequence[int], epoch: int) -> Sequence[Any]:
        """Return the test set of a seed, without noise, the same in every epoch."""
        return self._drawn(seed, lambda one: dfanp.streams.streams(one).points(OWN["test"], 0), self.test_size, 0.0)

    def probe(self, seed: int | Sequence[int]) -> Sequence[Any]:
        """Return training examples like those of an epoch, the same throughout a run, without noise."""
        return self._drawn(seed, lambda one: dfanp.streams.streams(one).probe, 500, 0.0)

    def _drawn(self, seed, stream, n, noise):
        def one_seed(one):  # inputs and targets side by side
            rng = stream(one)
            X = rng.standard_normal((n, self.features))
            return np.concatenate([X, X @ self.map(one) + noise * rng.standard_normal((n, self.outputs))], axis=1)

        both = dfanp.streams.per_replica(seed, one_seed)
        parts = both[..., : self.features], both[..., self.features :]
        return [self.backend.asarray(np.ascontiguousarray(a), self.dtype) for a in parts]
