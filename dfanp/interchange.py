"""Weights in and out: PyTorch's state dicts, .npz and .safetensors files.

A state dict is that of ``torch.nn.Sequential(Linear, activation, Linear, …)``: layer l is named 2·l, its ``weight`` is W.T, (d_out, d_in).
Files hold the same names and arrays, and beside them the name of the activation, so that a network is whole in one.
"""

import json
import re
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from . import activations
from .errors import RecordError, first_line, nearest
from .network import DTYPES, MLP
from .npz import read_header, size_of
from .records import failures, write_whole

SUFFIXES = (".npz", ".safetensors")
ACTIVATION = "activation"


def state_dict(network):
    """Return the weights of an MLP without replicas as PyTorch names them: name -> NumPy array, a copy.

    In PyTorch: ``module.load_state_dict({name: torch.from_numpy(array) for name, array in state_dict(network).items()})``.
    """
    if type(network) is not MLP or network.replicas is not None:
        raise ValueError("network must be a dfanp.MLP without replicas (a lazy baseline is no such network)")
    host, found = network.backend.to_host, {}
    for layer in range(len(network.sizes) - 1):
        found[f"{2 * layer}.weight"] = np.ascontiguousarray(np.array(host(network.parameters[f"W{layer}"])).T)
        if network.bias:
            found[f"{2 * layer}.bias"] = np.array(host(network.parameters[f"b{layer}"]))
    return found


def from_state_dict(state, activation="relu", backend=None):
    """Return the MLP with the weights of a state dict; the dict is not changed.

    Args:
        state: name -> array or tensor, float32 or float64. Names end in "weight" or "bias" and are taken in the order of the numbers in them:
            "0.weight", "0.bias", "2.weight", … or "layers.0.weight", …
        activation: of the hidden layers, which a state dict does not tell. backend: a ``Backend``; None takes the CPU.

    Raises:
        ValueError: an array is missing, too many, not finite, or does not fit the others.
    """
    arrays = {
        name: np.asarray(array.detach().cpu() if hasattr(array, "detach") else array) for name, array in state.items()
    }
    arrays = {name: array.astype(array.dtype.newbyteorder("="), copy=False) for name, array in arrays.items()}
    layers = {}
    for name, array in arrays.items():
        owner, _, kind = name.rpartition(".")
        if kind not in ("weight", "bias") or array.ndim != (2 if kind == "weight" else 1) or array.size == 0:
            raise ValueError(
                f"{name!r} of shape {array.shape} is no weight (d_out, d_in) or bias (d_out,) of a linear layer"
            )
        if array.dtype.name not in DTYPES or not np.isfinite(array).all():
            raise ValueError(f"{name!r} must be finite, of dtype {' or '.join(DTYPES)}, got {array.dtype}")
        layers.setdefault(owner, {})[kind] = array
    order = sorted(layers, key=lambda owner: [int(number) for number in re.findall(r"\d+", owner)])
    weights = [layers[owner].get("weight") for owner in order]
    if not weights or any(W is None for W in weights):
        raise ValueError("a state dict has a weight for each layer, and this one does not")
    if any(below.shape[0] != above.shape[1] for below, above in pairwise(weights)):
        raise ValueError(f"the layers do not fit onto each other: shapes {[W.shape for W in weights]}")
    biases = [layers[owner].get("bias") for owner in order]
    for W, b in zip(weights, biases, strict=True):
        if (b is None) != (biases[0] is None) or (b is not None and b.shape != W.shape[:1]):
            raise ValueError("all layers have a bias as long as their output, or none has one")
    if len({array.dtype for array in arrays.values()}) > 1:
        raise ValueError("all arrays must have the same dtype")
    sizes = [weights[0].shape[1], *(W.shape[0] for W in weights)]
    network = MLP(sizes, activation, biases[0] is not None, weights[0].dtype.name, 0, backend)
    network.load({f"W{layer}": W.T for layer, W in enumerate(weights)})
    network.load({f"b{layer}": b for layer, b in enumerate(biases) if b is not None})
    return network


def save(network, path):
    """Write the weights of an MLP without replicas, and the name of its activation, to a .npz or .safetensors file.

    Raises:
        ValueError: another ending, or another network. RecordError: the file cannot be written; what was there is still there.
    """
    path, state = checked_path(path), state_dict(network)
    name = network.activation.name
    with failures(path, "be written"):
        if path.suffix == ".npz":
            letters = np.frombuffer(name.encode(), np.uint8)
            write_whole(path, lambda file: np.savez(file, **state, **{ACTIVATION: letters}))
        else:
            content = safetensors().save(state, {ACTIVATION: name})
            write_whole(path, lambda file: file.write(content))


def load(path, backend=None):
    """Return the MLP in a file that ``save`` wrote. Nothing is unpickled, and no more is read than the file has.

    Raises:
        ValueError: another ending. RecordError: the file cannot be read, or does not hold such a network.
    """
    path = checked_path(path)
    with failures(path, "be read"):
        try:
            state, activation = (read_npz if path.suffix == ".npz" else read_safetensors)(path)
            activations.get(activation)
            return from_state_dict(state, activation, backend)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # zipfile, NumPy's and safetensors' parsers raise a dozen kinds
            raise RecordError(f"{path}: does not hold the weights of a network ({first_line(error)})") from None


def checked_path(path):
    """Return `path` as a Path; a ValueError unless it ends in one of SUFFIXES."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        likely = nearest(path.suffix, SUFFIXES) if path.suffix else ""
        raise ValueError(f"{path}: weights are kept in a file that ends in {' or '.join(SUFFIXES)}{likely}")
    return path


def safetensors():
    """Return the functions of safetensors for NumPy; a RecordError if it is not installed."""
    try:
        import safetensors.numpy
    except ImportError:
        raise RecordError("safetensors is not installed (pip install safetensors); .npz needs nothing more") from None
    return safetensors.numpy


def read_npz(path):
    """Return the arrays of a file, and the activation that it names."""
    found, most = {}, path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED:
                raise ValueError("its arrays are compressed")
            with archive.open(info) as member:
                shape, dtype, fortran = read_header(member, info.filename)
                size = size_of(shape, dtype)
                if size > min(info.file_size, most):  # the first is what the file says of itself
                    raise ValueError(f"{info.filename} holds fewer bytes than it says")
                array = np.frombuffer(bytearray(member.read(size + 1)), dtype)
            found[info.filename.removesuffix(".npy")] = array.reshape(shape, order="F" if fortran else "C")
    return found, found.pop(ACTIVATION).tobytes().decode()


def read_safetensors(path):
    """Return the arrays of a file, and the activation that it names."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    told = json.loads(content[8 : 8 + length])["__metadata__"] if length <= len(content) - 8 else {}
    return safetensors().load(content), told[ACTIVATION]
