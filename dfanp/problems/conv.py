"""The classes of images, by a network with a convolutional first layer: its settings. ``dfanp.convolution`` has the network."""

from math import isqrt

import dfanp

from ..checks import MOST
from .classes import ClassesSettings
from .fields import setting
from .rates import Rate


class ConvSettings(ClassesSettings):
    """Train a network whose first layer is a convolution to classify images into their ten classes.

    The first layer applies each filter to all patches of the image (stride 1), and keeps the largest output of each square of
    places; dense layers follow, and the output. Under FA and DFA a matrix B sends each filter at each place a signal of its
    own. With a frozen first layer the filters keep their initial values. --align measures the cosine of each layer's
    gradient with that of backpropagation.
    """

    lr: float = setting(unset="0.001 for adam; otherwise that of the parity problem; printed")
    opt: str = "adam"
    epochs: int = 8
    hidden: tuple[int, ...] = (500,)
    activation: str = "tanh"
    bias: bool = True
    pixels: str = "unit"
    filters: int = setting(16, "Number of filters.", least=1, most=MOST)
    patch: int = setting(5, "Side of a filter, in pixels.", least=1, most=10_000)
    pool: int = setting(2, "Side of the squares of places of which the largest output is kept.", least=1, most=100)
    first_layer: str = setting("trained", "Whether the filters learn.", names=("trained", "frozen"))

    name = "conv"
    about = "the classes of images, by a convolution"
    examples = (
        "dfanp conv --method dfa --align --repeats 2",
        "dfanp conv --method fa --first-layer frozen --data mnist --out runs/frozen",
        "dfanp tune conv --method bp,fa,dfa --first-layer frozen,trained --lr 0.001 --repeats 10 --align --out filters",
    )

    @property
    def title(self):
        layer = f"{self.filters} {self.first_layer} filters of {self.patch} × {self.patch}, pool {self.pool}"
        return f"classes, {self.data}; {layer}"

    def starting_rate(self):
        if self.opt.partition(":")[0] != "adam":
            return super().starting_rate()
        return Rate(0.001, "Kingma & Ba 2015; not tuned")

    def problem(self, dataset, backend):
        if self.method in dfanp.baselines.BASELINES:
            raise ValueError(
                f"method must be a learning rule for a convolution, got the lazy baseline {self.method!r}"
            )
        return super().problem(dataset, backend)

    @property
    def hidden_layers(self):
        return len(self.hidden) + 1

    def widths(self, features):
        layer = dfanp.convolution.Convolution(isqrt(features), self.filters, self.patch, self.pool)
        return (layer.units, *self.hidden)

    def network(self, problem, seed):
        if dfanp.rules.get(self.method).signal is None:
            raise ValueError(
                f"method must be a rule that sends each layer a signal, for a convolution, and {self.method!r} is of another shape"
            )
        return dfanp.convolution.Convolutional(
            isqrt(problem.features),
            self.filters,
            self.patch,
            self.pool,
            (*self.hidden, problem.outputs),
            self.first_layer == "frozen",
            self.activation,
            self.bias,
            self.dtype,
            seed,
            problem.backend,
        )
