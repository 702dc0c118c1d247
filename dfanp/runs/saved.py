"""A saved run, as networks: before its first epoch, and with the weights of its checkpoint."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from ..analysis import probes
from ..errors import RecordError
from ..files.npz import read_checkpoint
from ..network import MLP
from ..problems.own import Own, unscaled
from ..settings import ParitySettings, from_config
from ..training import Training
from .folder import read_config
from .run import build, restored
from .store import Store


class SavedRun:
    """A run read from its folder, or from a file KEY.npz in the checkpoints of a sweep that kept them.

    Args:
        path: of either.
        data_dir: see ``problems.load``.
        on_host: whether to compute with NumPy, whatever device and kernels the run was trained on.

    Attributes:
        settings: of ``dfanp.settings``.
        seeds: that were trained.
        dataset: the Dataset, or None.
        title: problem and method, as text.
        epoch: of the checkpoint.
        alive: the seeds that have not diverged.

    Raises:
        RecordError: the run does not exist, is damaged, or has no checkpoint yet.
        DataError: its data are missing.
    """

    def __init__(self, path: str | Path, data_dir: str | Path | None = None, on_host: bool = False) -> None:
        path = Path(path)
        if path.suffix == ".npz":
            self.checkpoint, self.settings = path, from_config(from_sweep(path), path)
        else:
            self.checkpoint = path / "checkpoint.npz"
            self.settings = from_config(read_config(path)["config"], path / "config.json")
        if on_host:
            self.settings = replace(self.settings, device="cpu", kernels="numpy")
        self.seeds, self.title = self.settings.seeds, f"{self.settings.title}: {self.settings.method.upper()}"
        self.dataset = self.settings.dataset(data_dir)
        self.settings.agreed(self.dataset)
        if not self.checkpoint.exists():
            raise RecordError(f"{self.checkpoint}: does not exist; the run has not finished an epoch yet")
        if self._weights() > self.checkpoint.stat().st_size:  # before allocating them
            raise RecordError(
                f"{self.checkpoint}: the checkpoint is corrupt (it holds fewer bytes than the run has weights)"
            )
        training = build(self.settings, dataset=self.dataset)
        self.arrays = read_checkpoint(self.checkpoint, training.arrays())
        self.epoch = int(self.arrays["epoch"])
        self.alive = tuple(seed for seed, alive in zip(self.seeds, self.arrays["alive"], strict=True) if alive)

    def check_alive(self, seed: int) -> None:
        """Raise a RecordError if a seed of the run has diverged."""
        if seed in self.seeds and seed not in self.alive:
            others = f"; {', '.join(map(str, self.alive))} have not" if self.alive else ""
            raise RecordError(f"{self.checkpoint}: seed {seed} has diverged{others} (a lower learning rate helps)")

    def initial(self, seed: int) -> MLP:
        """Return the network of a seed before its first epoch."""
        return restored(self._solo(seed), None, self.dataset)

    def final(self, seed: int) -> MLP:
        """Return the network of a seed with the weights of the checkpoint."""
        network = self.initial(seed)
        place = self.seeds.index(seed)
        own = lambda array: array[place] if len(self.seeds) > 1 else array
        network.load({name: own(self.arrays[f"parameters/{name}"]) for name in network.parameters})
        return network

    def portable(self, seed: int) -> MLP:
        """Return ``final`` for use outside dfanp: if the data were scaled for training, it takes them as they are."""
        network = self.final(seed)
        problem = self.settings.problem(self.dataset, network.backend)
        return unscaled(network, problem) if isinstance(problem, Own) and type(network) is MLP else network

    def trained(self) -> Training:
        """Return the Training of all seeds, as it was after the epoch of the checkpoint."""
        training = build(self.settings, dataset=self.dataset)
        training.continue_from(self.arrays)
        return training

    def drawn(self, seed: int) -> MLP:
        """Return the network of a seed with the weights last drawn: ``initial``, unless its Training redraws them."""
        training = build(self._solo(seed), dataset=self.dataset)
        training.network.redraw(training.data_of(self.epoch)[0])
        return training.network

    def tested(self, seed):
        """Return the problem, and the test set (X, y) of a seed after the epoch of the checkpoint."""
        training = build(self._solo(seed), dataset=self.dataset)
        return training.problem, training.problem.test(*training.data_of(self.epoch))

    def represented(self, network, layer=1, place=None, seed=0, samples=10_000):
        """Return the Represented test examples in a layer, or single digits at a place (from 1) in the first.

        See ``analysis.probes``.
        """
        if place is None:
            problem = self.settings.problem(self.dataset, network.backend)
            return probes.of_layer(network, problem, layer, seed, samples)
        if not isinstance(self.settings, ParitySettings):
            raise ValueError(f"place selects a digit of a parity run, and this is {self.settings.title}")
        return probes.of_place(network, self.dataset, place - 1, samples)

    def _weights(self):
        """Return the size of the weights of all seeds in bytes."""
        sizes = (*self.settings.widths(self.settings.features(self.dataset)), 1)
        itemsize = 8 if self.settings.dtype == "float64" else 4
        return len(self.seeds) * itemsize * sum(below * width for below, width in pairwise(sizes))

    def _solo(self, seed):
        if seed not in self.seeds:
            raise ValueError(f"seed must be a seed of the run, {', '.join(map(str, self.seeds))}, got {seed}")
        return replace(self.settings, seed=seed, repeats=1)


def from_sweep(path):
    """Return the config of the run to which the checkpoint `path` in a sweep belongs."""
    with Store(path.parent.parent) as store:
        key = store.key(path.stem)
        if key not in store.results:
            raise RecordError(f"{path}: the sweep in {path.parent.parent} has no such run")
        return store.results[key].config
