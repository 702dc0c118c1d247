"""Import and export of weights: PyTorch's state dicts, .npz and .safetensors files.

A state dict is that of ``torch.nn.Sequential(Linear, activation, Linear, …)``: layer l is named 2·l, and its
``weight`` is W.T, (d_out, d_in). Files contain the same names and arrays, and the name of the activation, so that a
file describes a whole network. Files of other programs have no activation, and their layers may have other names.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import activations
from ..activations import Activation
from ..backend import Backend
from ..errors import RecordError, first_line, nearest, shown
from ..files.whole import failures, write_whole
from ..network import DTYPES, MLP
from .layer_order import in_order
from .weight_files import ABOUT, ACTIVATION, read_npz, read_safetensors, widened, write_npz, write_safetensors

# suffix -> functions that read and write such a file, and whether it keeps the order of its arrays
FORMATS = {".npz": (read_npz, write_npz, True), ".safetensors": (read_safetensors, write_safetensors, False)}
SUFFIXES = tuple(FORMATS)
PYTORCH = (".pt", ".pth", ".bin", ".ckpt")


def state_dict(network: MLP) -> dict[str, np.ndarray]:
    """Return the weights of an MLP without replicas under PyTorch's names: name -> NumPy array, a copy.

    In PyTorch: ``module.load_state_dict({name: torch.from_numpy(array) for name, array in
    state_dict(network).items()})``.
    """
    if type(network) is not MLP or network.replicas is not None:
        raise ValueError("network must be a dfanp.MLP without replicas (lazy baselines are not supported)")
    host, found = network.backend.to_host, {}
    for layer in range(len(network.sizes) - 1):
        found[f"{2 * layer}.weight"] = np.ascontiguousarray(np.array(host(network.parameters[f"W{layer}"])).T)
        if network.bias:
            found[f"{2 * layer}.bias"] = np.array(host(network.parameters[f"b{layer}"]))
    return found


def from_state_dict(
    state: Mapping[str, Any],
    activation: str | Activation = "relu",
    backend: Backend | None = None,
    layers: Sequence[str] | None = None,
) -> MLP:
    """Return the MLP with the weights of a state dict; the dict is not changed.

    Args:
        state: name -> array or tensor, float32 or float64 (float16 and bfloat16 become float32). Names end in
            ".weight" or ".bias", and begin with the name of the layer: "0.weight", "0.bias", "2.weight", … or
            "encoder.0.weight", …, "head.weight". Layers are in the order of the dict.
        activation: of the hidden layers, which a state dict does not contain.
        backend: a ``Backend``; None takes the CPU.
        layers: names of layers, first to last, such as ("encoder.0", "head"); other entries are then ignored.

    Raises:
        TypeError: `state` is not a dict.
        ValueError: an array is missing, superfluous, not finite, or does not fit the others; or the numbers in the
            names of the layers contradict their order, and their shapes do not determine it.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dict, such as module.state_dict(), got {shown(state)}")
    layers = checked_layers(layers)
    arrays = {name: as_array(name, value) for name, value in state.items() if is_of(name, layers)}
    return assembled(arrays, activation, backend, layers, stored=True)


def as_array(name, value):
    """Return a tensor, or anything that NumPy accepts, as an array."""
    try:
        if hasattr(value, "detach"):  # PyTorch's; NumPy does not know all of its types
            value = value.detach().cpu()
            value = value.float() if value.is_floating_point() and value.element_size() < 4 else value
        return widened(np.asarray(value))
    except Exception as error:  # PyTorch raises many kinds: for sparse tensors, tensors without data, …
        raise ValueError(f"{shown(name)} cannot be read as an array ({first_line(error)})") from None


def checked_layers(layers: Any) -> tuple[str, ...] | None:
    """Return names of layers as a tuple, or None; a ValueError unless they are distinct texts."""
    if layers is None:
        return None
    names = tuple(layers) if isinstance(layers, Iterable) and not isinstance(layers, str) else (None,)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"layers must be the names of the layers, each once, got {shown(layers)}")
    return names


def is_of(name, layers):
    """Whether the array `name` belongs to one of `layers` (None: all)."""
    return layers is None or (isinstance(name, str) and name.rpartition(".")[0] in layers)


def assembled(arrays, activation, backend, layers, stored):
    """Return the MLP of name -> array; see ``from_state_dict`` and ``in_order``."""
    found = {}
    for name, array in arrays.items():
        owner, _, kind = name.rpartition(".") if isinstance(name, str) else ("", "", "")
        if kind not in ("weight", "bias") or array.ndim != (2 if kind == "weight" else 1) or array.size == 0:
            raise ValueError(
                f"{shown(name)} of shape {array.shape} is not a weight (d_out, d_in) or bias (d_out,) of a linear layer"
                " (layers=(…) selects layers)"
            )
        if array.dtype.name not in DTYPES:
            raise ValueError(
                f"{name!r} must be of dtype {' or '.join(DTYPES)}, or of half precision, got {array.dtype}"
            )
        check_finite(name, array)
        found.setdefault(owner, {})[kind] = array
    lacking = [name for name in layers or found if "weight" not in found.get(name, {})]
    if lacking or not found:
        lacks = f"{shown(lacking[0])} has none" if lacking else "this one has no array"
        raise ValueError(f"a state dict must have a weight for each layer, but {lacks}")
    order = list(layers or in_order({owner: own["weight"].shape for owner, own in found.items()}, stored))
    return network_of([found[owner] for owner in order], activation, backend)


def check_finite(name, array):
    """Raise a ValueError unless all values of an array are finite."""
    lost = array.size - int(np.isfinite(array).sum())
    if lost:
        raise ValueError(
            f"{name!r} must be finite, but {lost} of its {array.size} values are not: the network has diverged"
        )


def network_of(layers, activation, backend):
    """Return the MLP of a list of layers, dicts with a "weight" (d_out, d_in) and optionally a "bias" (d_out,)."""
    weights, biases = [layer["weight"] for layer in layers], [layer.get("bias") for layer in layers]
    sizes = [weights[0].shape[1], *(W.shape[0] for W in weights)]
    if any(W.shape[1] != width for W, width in zip(weights, sizes[:-1], strict=True)):
        raise ValueError(f"the layers do not fit onto each other: shapes {shown([W.shape for W in weights])}")
    for W, b in zip(weights, biases, strict=True):
        if (b is None) != (biases[0] is None) or (b is not None and b.shape != W.shape[:1]):
            raise ValueError("either all layers have a bias as long as their output, or none has one")
    if len({array.dtype for layer in layers for array in layer.values()}) > 1:
        raise ValueError("all arrays must have the same dtype")
    network = MLP(sizes, activation, biases[0] is not None, weights[0].dtype.name, 0, backend)
    network.load({f"W{layer}": W.T for layer, W in enumerate(weights)})
    network.load({f"b{layer}": b for layer, b in enumerate(biases) if b is not None})
    return network


def save(network: MLP, path: str | Path, about: str | None = None) -> None:
    """Write the weights of an MLP without replicas, and the name of its activation, to a .npz or .safetensors file.

    An activation that is not registered is not written: ``load`` must then be given one.

    Args:
        about: a text to write with them, for ``read``.

    Raises:
        ValueError: another suffix, another network, or weights that are not finite.
        RecordError: the file cannot be written; an existing file is unchanged.
    """
    path = checked_path(path)
    state, activation = state_dict(network), network.activation
    for name, array in state.items():
        check_finite(name, array)
    named = activation.name if is_registered(activation) else None
    texts = {name: text for name, text in ((ACTIVATION, named), (ABOUT, about)) if text is not None}
    _, write, _ = FORMATS[path.suffix]
    with failures(path, "be written"):
        write_whole(path, lambda file: write(file, state, texts))


def load(
    path: str | Path,
    activation: str | Activation | None = None,
    backend: Backend | None = None,
    layers: Sequence[str] | None = None,
) -> MLP:
    """Return the MLP in a file written by ``save`` or by another program.

    Nothing is unpickled, and memory is bounded by the size of the file.

    Args:
        path: a .npz or .safetensors file with a state dict (see ``from_state_dict``).
        activation: of the hidden layers; None takes the one that the file names (files of other programs name none).
        backend, layers: as in ``from_state_dict``. A .safetensors file does not keep the order of its layers: if
            their names and shapes do not determine it, `layers` must give it.

    Raises:
        ValueError: another suffix, or an unknown activation.
        RecordError: the file cannot be read, or does not contain such a network.
    """
    return read(path, activation, backend, layers)[0]


def read(
    path: str | Path,
    activation: str | Activation | None = None,
    backend: Backend | None = None,
    layers: Sequence[str] | None = None,
) -> tuple[MLP, str | None]:
    """Return what ``load`` returns, and the text that ``save`` wrote with it (None: none)."""
    path = checked_path(path)
    layers = checked_layers(layers)
    read_file, _, stored = FORMATS[path.suffix]
    if activation is not None:
        activation = activations.get(activation)
    with failures(path, "be read"):
        try:
            arrays, texts = read_file(path, lambda name: is_of(name, layers))
            activation = activation or named_activation(path, texts.get(ACTIVATION), arrays)
            arrays = {name: widened(array) for name, array in arrays.items()}
            return assembled(arrays, activation, backend, layers, stored), texts.get(ABOUT)
        except (OSError, MemoryError, RecordError):
            raise
        except Exception as error:  # zipfile, NumPy's and safetensors' parsers raise many kinds
            raise RecordError(f"{path}: does not hold the weights of a network ({first_line(error)})") from None


def is_registered(activation):
    """Whether an activation is registered under its name."""
    table = activations.ACTIVATIONS
    return activation.name in table and table[activation.name] is activation


def named_activation(path, named, arrays):
    """Return the Activation that a file names; a RecordError if it needs one and names no known one."""
    say = "give it: load(path, activation='relu')"
    if named is None and sum(name.endswith("weight") for name in arrays) > 1:
        raise RecordError(f"{path}: does not name the activation of the hidden layers; {say}, or another one")
    if named is not None and named not in activations.ACTIVATIONS:
        raise RecordError(
            f"{path}: names the activation {shown(named)}, which is not registered; register it, or {say}"
        )
    return activations.get(named or "relu")  # without hidden layers it is never used


def checked_path(path: str | Path) -> Path:
    """Return `path` as a Path; a ValueError unless it ends in one of SUFFIXES."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        likely = nearest(path.suffix, SUFFIXES) if path.suffix else ""
        if path.suffix in PYTORCH:
            likely = "; read a file of PyTorch with from_state_dict(torch.load(path), activation=…)"
        raise ValueError(f"{path}: the suffix of a file of weights must be {' or '.join(SUFFIXES)}{likely}")
    return path
