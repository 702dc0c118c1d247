"""Teacher and student: a network learns the outputs of another one, each example seen once.

The inputs are Gaussian, x ~ N(0, I_N), and the targets are y = Σ_m A_m g(ν_m) + σζ, where ν = x @ W*, all A_m are 1,
and ζ ~ N(0, 1) is drawn for the training examples alone. W* has entries from N(0, 1/N). Every epoch has fresh examples;
with one example per step and as many as inputs, an epoch is one unit of the time of ``dfanp.theory.online``, which
predicts the test loss of a student with one hidden layer (Saad & Solla 1995; Goldt et al. 2019; Refinetti et al. 2021).
"""

from collections.abc import Sequence
from dataclasses import replace
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
GATES = {"erf": "erf", "linear": "identity", "relu": "relu", "tanh": "tanh"}  # of the teacher -> an activation
MOST_UNITS, MOST_SEEDS = 16, 20  # beyond which the theory of a run takes more than some seconds
OWN = {"weights": 0, "test": 1}  # streams of the teacher


class TeacherSettings(TrainingSettings):
    """Train a network, the student, on the outputs of another one, the teacher, with fresh examples in every epoch.

    The test loss is half the mean squared difference of their outputs on inputs from the normal distribution. With one
    hidden layer it obeys the equations of dfanp.theory.online, at a learning rate of lr times the number of inputs. --plot and
    the report draw what they predict, for up to 16 units of student and teacher together and 20 seeds.
    """

    lr: float = setting(unset="0.1 divided by the number of inputs")
    opt: str = "sgd"
    epochs: int = setting(100, "Number of epochs, each of fresh examples.")
    batch_size: int = 1
    hidden: tuple[int, ...] = (2,)
    activation: str = "erf"
    dtype: str = "float64"
    inputs: int = setting(500, "Number of inputs, N.", least=1, most=10**6)
    teacher_units: int = setting(2, "Number of hidden units of the teacher.", least=1, most=10**4)
    teacher_activation: str = setting("erf", "Activation of the teacher's hidden units.", names=tuple(GATES))
    noise: float = setting(0.0, "Standard deviation of the noise of the training targets.", least=0, most=1e6)
    lr_output: float | None = setting(None, "Learning rate of the output layer.", above=0, unset="that of all layers")
    train_size: int | None = setting(
        None, "Number of training examples of an epoch.", least=1, most=MOST, unset="the number of inputs"
    )
    test_size: int = setting(2000, "Number of test examples, the same in every epoch.", least=1, most=MOST)
    teacher_seed: int = setting(0, "Seed of the teacher and of the test examples.", least=0)

    name = "teacher"
    about = "the outputs of a teacher network"
    examples = (
        "dfanp teacher --method dfa --feedback standard-gaussian --hidden 2",
        "dfanp teacher --method bp --hidden 4 --noise 0.1 --repeats 5 --plot online.png",
        "dfanp tune teacher --method bp,dfa --lr log:1e-4:1e-2:5 --inputs 100 --repeats 3 --out online",
    )

    @property
    def title(self):
        return f"teacher with {self.teacher_units} {self.teacher_activation} units, {self.inputs} inputs"

    def starting_rate(self):
        return Rate(float(f"{0.1 / self.inputs:.3g}"), "0.1 divided by the number of inputs")

    def training(self, network, problem, rule, optimizer, *rest):
        if self.lr_output is not None:
            layers = range(len(network.sizes) - 1)
            optimizer = replace(optimizer, lr=dict.fromkeys(layers, optimizer.lr) | {layers[-1]: self.lr_output})
        return super().training(network, problem, rule, optimizer, *rest)

    def problem(self, dataset, backend):
        sizes = self.inputs, self.teacher_units, self.teacher_activation, self.noise, self.train_size, self.test_size
        return Teacher(*sizes, self.teacher_seed, self.dtype, backend)

    def theory(self, epochs):
        """Return the mean over the seeds of what ``theory.online`` predicts from the start of each, for infinitely many inputs.

        None where its equations do not hold: they want one hidden layer without biases, erf or linear like the teacher, BP,
        FA or DFA, and plain SGD with one example per step. None, too, where they would take long: their cost grows with the
        fourth power of the number of units.
        """
        online = dfanp.theory.online
        holds = (
            GATES[self.teacher_activation] == self.activation
            and self.teacher_activation in online.AVERAGES
            and self.method in online.RULES
            and (self.opt, self.schedule, self.layers, self.batch_size) == ("sgd", "constant", "all", 1)
            and not (self.bias or self.weight_decay or len(self.hidden) > 1)
        )
        if not holds or sum(self.hidden) + self.teacher_units > MOST_UNITS or len(self.seeds) > MOST_SEEDS:
            return None
        small = replace(self, test_size=1, train_size=1)  # the teacher is the same
        problem, found = small.problem(None, dfanp.Backend("cpu", kernels="numpy")), []
        epoch = (self.train_size or self.inputs) / self.inputs  # in units of the theory's time
        eta, eta_v = (self.inputs * rate for rate in (self.lr, self.lr_output or self.lr))
        for seed in self.seeds:
            network = self.network(problem, seed)
            B = dfanp.Training(network, problem, self.method, dfanp.SGD(self.lr), dfanp.Feedback(self.feedback), 1).B
            start = online.overlaps(network.W[0], problem.W) | {"v": network.W[1][:, 0], "F": B[0][0] if B else None}
            more = dict(A=problem.A, eta=eta, eta_v=eta_v, sigma=self.noise, activation=self.teacher_activation)
            try:
                found.append(online.trajectory(self.method, [n * epoch for n in epochs], **start, **more).error)
            except ValueError:  # it diverges
                return None
        return np.mean(found, axis=0)

    def features(self, dataset):
        return self.inputs

    def bytes_of_examples(self, features):
        return ((self.train_size or self.inputs) + self.test_size) * 8 * (features + 1)


SETTINGS = settings_of(TeacherSettings)


class Teacher:
    """Gaussian inputs, and the outputs of a network with one hidden layer.

    Args:
        inputs, teacher_units, teacher_activation, noise, train_size, test_size: as in ``TeacherSettings``.
        seed: of the teacher and of the test examples; the seed of a run does not change them.
        dtype: of the arrays, ``"float32"`` or ``"float64"``.
        backend: a ``Backend``; None takes the CPU.

    Attributes:
        W: the teacher's hidden weights, a host array, float64 (N, M): ν = x @ W.
        A: its output weights, all 1, (M,).

    Raises:
        ValueError: a size is out of its range, or a name is not known.
    """

    outputs, loss = 1, "mse"

    def __init__(
        self,
        inputs: int = TeacherSettings.inputs,
        teacher_units: int = TeacherSettings.teacher_units,
        teacher_activation: str = TeacherSettings.teacher_activation,
        noise: float = TeacherSettings.noise,
        train_size: int | None = TeacherSettings.train_size,
        test_size: int = TeacherSettings.test_size,
        seed: int = TeacherSettings.teacher_seed,
        dtype: str = TeacherSettings.dtype,
        backend: "Backend | None" = None,
    ) -> None:
        by_name("dtype", dtype, dict.fromkeys(dfanp.network.DTYPES))
        given = {
            "inputs": inputs,
            "teacher_units": teacher_units,
            "teacher_activation": teacher_activation,
            "noise": noise,
            "train_size": train_size,
            "test_size": test_size,
            "teacher_seed": seed,
        }
        inputs, units, gate, self.noise, train_size, test_size, seed = (
            SETTINGS[name].checked(value) for name, value in given.items()
        )
        self.features, self.train_size = inputs, train_size or inputs
        self.dtype, self.backend = dtype, backend or dfanp.Backend("cpu")
        self.g = dfanp.activations.get(GATES[gate]).f
        draw = lambda part: dfanp.streams.streams(seed).points(OWN[part], 0)
        self.W, self.A = draw("weights").normal(0.0, inputs**-0.5, (inputs, units)), np.ones(units)
        X = draw("test").standard_normal((test_size, inputs))
        self._test = [self.backend.asarray(a, dtype) for a in (X, self.answer(X))]

    def answer(self, X: Any) -> Any:
        """Return the teacher's outputs without noise, (n, 1), for host inputs (n, N)."""
        return self.g(np, X @ self.W) @ self.A[:, None]

    def __repr__(self) -> str:
        return f"Teacher({self.features} inputs, {len(self.A)} units, {self.train_size} examples in each epoch)"

    def train(self, seed: int | Sequence[int], epoch: int) -> Sequence[Any]:
        """Return the training set of an epoch, (n, N) and (n, 1); with R seeds a leading R."""

        def drawn(one):  # inputs and targets side by side
            rng = dfanp.streams.streams(one).train(epoch)
            X = rng.standard_normal((self.train_size, self.features))
            return np.concatenate(
                [X, self.answer(X) + self.noise * rng.standard_normal((self.train_size, 1))], axis=1
            )

        both = dfanp.streams.per_replica(seed, drawn)
        parts = both[..., :-1], both[..., -1:]
        return [self.backend.asarray(np.ascontiguousarray(a), self.dtype) for a in parts]

    def test(self, seed: int | Sequence[int], epoch: int) -> Sequence[Any]:
        """Return the test set, without noise, the same for every seed and epoch."""
        return self._test

    def probe(self, seed: int | Sequence[int]) -> Sequence[Any]:
        """Return the first 1000 test examples."""
        return [a[:1000, :] for a in self._test]
