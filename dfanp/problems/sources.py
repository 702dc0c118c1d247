"""The data sets that can be downloaded, and the digests of their files.

MNIST and Fashion-MNIST are four IDX files each, with the same names; their digests distinguish them.
"""

from typing import NamedTuple

FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


class Source(NamedTuple):
    """An IDX data set: the digests of its files, and where to download them.

    Attributes:
        title: a description.
        megabytes: size of the download.
        sha256: file -> digest of the uncompressed content (gzip wrappers differ between mirrors); empty if md5 is
            set.
        md5: file -> digest of the .gz file, if only that is published.
        mirrors: base addresses, tried in this order.
        normalisation: (mean, std) of a raw pixel; None takes those of the training images.
        folders: names of its folder in other distributions.
    """

    title: str
    megabytes: int
    sha256: dict
    md5: dict
    mirrors: tuple
    normalisation: tuple | None
    folders: tuple


SOURCES = {
    "mnist": Source(
        "MNIST, 70 000 handwritten digits of 28 × 28 pixels",
        11,
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
        {},
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://yann.lecun.com/exdb/mnist/",
        ),
        (33.3285, 78.5655),  # Demirbilek 2021, experiment code
        ("MNIST",),  # torchvision
    ),
    "fashion-mnist": Source(
        "Fashion-MNIST, 70 000 pieces of clothing of 28 × 28 pixels in ten classes",
        30,
        {},
        {
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        None,
        ("FashionMNIST", "fashion"),  # torchvision; the publisher's repository
    ),
}
