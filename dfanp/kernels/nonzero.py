"""A bank of images as the list of its non-zero pixels, which the sparse kernels read instead of a dense array."""

from typing import NamedTuple

import numpy as np

LARGEST_BLOCK = 128  # pixels; this many rows of a panel of W fit into a first-level cache
PIECE = 4096  # images at a time, which keeps the temporaries small


class NonZero(NamedTuple):
    """The non-zero pixels of a bank, image by image, and in an image block by block of `block` pixels.

    Attributes:
        pixels, blocks, block: number of pixels of an image, of its blocks, and of pixels per block (the last may be
            shorter).
        start: int64 (images · blocks + 1,), where block b of image i begins: ``start[i * blocks + b]``.
        entries: uint16, the pixel's place in its block times 256, plus its raw value.
    """

    pixels: int
    blocks: int
    block: int
    start: np.ndarray
    entries: np.ndarray


def nonzero(bank):
    """Return the NonZero of images uint8 (images, pixels)."""
    images, pixels = bank.shape
    blocks = -(-pixels // LARGEST_BLOCK)
    block = -(-pixels // blocks)
    blocks = -(-pixels // block)
    edges = np.arange(0, pixels, block)
    counts = [
        np.add.reduceat(bank[i : i + PIECE] != 0, edges, axis=1, dtype=np.int64) for i in range(0, images, PIECE)
    ]
    start = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    places = np.tile((np.arange(pixels) % block << 8).astype(np.uint16), PIECE)
    entries = np.empty(start[-1], np.uint16)
    for i in range(0, images, PIECE):
        raw = bank[i : i + PIECE].reshape(-1)
        (at,) = np.nonzero(raw)
        begin = start[i * blocks]
        np.bitwise_or(places[at], raw[at], out=entries[begin : begin + len(at)])
    return NonZero(pixels, blocks, block, start, entries)
