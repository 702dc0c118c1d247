"""The published tables: their rows, settings and numbers (see ``literature``)."""

from ..settings import ClassesSettings, made
from . import experiments
from .experiment import PUBLISHED, Scale
from .experiment import quick as quick_scale
from .literature import Cell, Row, Table


def classes(**given):
    """Return the settings of a run on the classes of MNIST."""
    return made(ClassesSettings, **{"data": "mnist", "pixels": "unit"} | given)


# Akrout et al. 2019. accuracies and angles after these epochs.
AKROUT_EPOCHS = (1, 10, 20, 40)
AKROUT = {
    # rule: (learning rate, test accuracies, angles)
    "bp": (0.2, (88.0, 94.12, 96.23, 97.43), ()),
    "fa": (0.2, (85.49, 90.86, 92.25, 94.17), (40.0, 29.3, 31.2, 36.6)),
    "wm": (0.05, (78.48, 90.49, 92.62, 95.8), (61.3, 27.5, 18.8, 14.0)),
    "kp": (0.3, (88.9, 95.41, 97.0, 97.84), (19.8, 11.2, 8.7, 6.8)),
}


def akrout(size):
    """BP, FA, weight mirror and Kolen-Pollack: 784-500-10, sigmoid units and outputs, SGD, examples never shuffled."""
    # All weights and B have the variance 1/(fan_in + fan_out); a batch that is not full is left out.
    width, epochs = 16 if size.quick else 500, AKROUT_EPOCHS[-1]
    scale = (width / (width + 10)) ** 0.5
    found = []
    for rule, (lr, accuracies, angles) in AKROUT.items():
        given = dict(
            lr=lr, method=rule, opt="sgd", epochs=epochs, batch_size=128, hidden=(500,), activation="sigmoid", bias=True,
            loss="bce", order="fixed", train_size=468 * 128, align=True, init="normal",
            feedback=f"zero-mean-gaussian:scale={scale:.6f}",
        )  # fmt: skip
        cells = [Cell("accuracy", e, a, 0.7) for e, a in zip(AKROUT_EPOCHS, accuracies, strict=True)]
        cells += [Cell("angle", e, a, 4.0) for e, a in zip(AKROUT_EPOCHS[: len(angles)], angles, strict=True)]
        found.append(Row(rule.upper(), size.settings(classes, **given), size.cells(cells, epochs)))
    return found


# Frenkel, Lefebvre & Bol 2021: hidden layers -> rule -> (test error, standard deviation).
FRENKEL = {
    (500,): {"bp": (1.72, 0.08), "fa": (1.92, 0.08), "dfa": (2.59, 0.11), "drtp": (4.58, 0.12)},
    (1000,): {"bp": (1.76, 0.06), "fa": (1.90, 0.06), "dfa": (2.12, 0.05), "drtp": (4.03, 0.13)},
    (500, 500): {"bp": (1.62, 0.12), "fa": (1.95, 0.07), "dfa": (4.35, 0.30), "drtp": (4.57, 0.13)},
    (1000, 1000): {"bp": (1.67, 0.07), "fa": (1.90, 0.07), "dfa": (3.46, 0.25), "drtp": (4.04, 0.12)},
}
# By the number of hidden layers, from the scripts of a fork (Lily-Le/DirectRandomTargetProjection).
FRENKEL_RATES = {
    1: {"bp": 1.5e-4, "fa": 5e-4, "dfa": 1.5e-4, "drtp": 5e-4},
    2: {"bp": 5e-4, "fa": 1.5e-4, "dfa": 5e-4, "drtp": 5e-4},
}
# Their loss is averaged over the outputs, that of dfanp is their sum: eps is 10 times PyTorch's 1e-8, or the rate a tenth. For the
# smallest network alone, the default of their program, too.
CLASSES, FRENKEL_BATCH = 10, 100
FRENKEL_OPTIMIZERS = {
    "Adam": (tuple(FRENKEL), "adam:eps=1e-7:eps_placement=outside", 1),
    "Nesterov": (((500,),), "nesterov", CLASSES),
}


def frenkel(size):
    """BP, FA, DFA and DRTP on dense networks, tanh units, sigmoid outputs, 100 epochs."""
    found = []
    for name, (networks, opt, part) in FRENKEL_OPTIMIZERS.items():
        for hidden in networks:
            for rule, (error, spread) in FRENKEL[hidden].items():
                # B is He uniform, in ±sqrt(6/d_l); under DFA and DRTP it sends sums over batch and outputs, not means.
                scale = 6**0.5 * (FRENKEL_BATCH * CLASSES if rule in ("dfa", "drtp") else 1)
                given = dict(
                    lr=FRENKEL_RATES[len(hidden)][rule] / part, method=rule, opt=opt, epochs=100, batch_size=FRENKEL_BATCH,
                    hidden=hidden, activation="tanh", bias=True, loss="bce", feedback=f"uniform:scale={scale:.6g}",
                )  # fmt: skip
                cells = size.cells([Cell("error", 0, error, None, spread)], given["epochs"])
                panel = f"{'-'.join(map(str, (784, *hidden, CLASSES)))}, {name}"
                found.append(Row(rule.upper(), size.settings(classes, **given), cells, panel))
    return found


# biotorch, LeNet on MNIST: test error.
BIOTORCH = {"fa": 1.7, "bp": 0.91, "dfa": 1.61, "usf": 0.94, "brsf": 0.91, "frsf": 0.97}


def biotorch(size):
    """Sign-symmetric feedback against FA; a dense network here, of three hidden layers, since dfanp has no convolution."""
    found = []
    for rule, error in BIOTORCH.items():
        given = dict(lr=0.01, method=rule, opt="momentum", epochs=20, batch_size=64, hidden=(256, 256, 256))
        given |= dict(activation="relu", bias=True, pixels="normalised", weight_decay=1e-3)
        cells = size.cells([Cell("error", given["epochs"], error)], given["epochs"])
        found.append(Row(rule.upper(), size.settings(classes, **given), cells))
    return found


# Nøkland 2016, table 1, tanh: hidden layers -> rule -> test error. From memory.
NOKLAND = {
    (800,): {"bp": 1.59, "fa": 1.68, "dfa": 1.68},
    (800, 800): {"bp": 1.60, "fa": 1.64, "dfa": 1.74},
    (800, 800, 800): {"bp": 1.75, "fa": 1.66, "dfa": 1.70},
}
NOKLAND_RATES = (1e-4, 3e-4)  # not known: both are run


def nokland(size):
    """BP, FA and DFA on dense networks, tanh units, RMSProp."""
    found = []
    for hidden, numbers in NOKLAND.items():
        for lr in NOKLAND_RATES:
            for rule, error in numbers.items():
                given = dict(lr=lr, method=rule, opt="rmsprop", epochs=300, batch_size=64, hidden=hidden)
                given |= dict(activation="tanh", bias=True)
                cells = size.cells([Cell("error", 300, error, verified=False)], 300)
                panel = f"{len(hidden)}×800"
                found.append(Row(f"{rule.upper()}, lr {lr:g}", size.settings(classes, **given), cells, panel))
    return found


def demirbilek(size):
    """The 24 test accuracies of the thesis, as they were run (``dfanp reproduce`` also corrects them)."""
    scale = quick_scale(size.kernels, size.device) if size.quick else Scale(kernels=size.kernels, device=size.device)
    if size.quick:
        scale = Scale(
            **vars(scale) | dict(train_size=640, test_size=100, most_epochs=2, most_passes=2, seeds=size.seeds)
        )
    else:
        scale = Scale(**vars(scale) | dict(seeds=size.seeds))
    full, found = Scale(seeds=size.seeds), []
    for each in experiments().values():
        pairs = zip(each.series(PUBLISHED, full), each.series(PUBLISHED, scale), strict=True) if wanted(each) else ()
        for published, series in pairs:
            if published.published is not None:
                last = series.settings[0].config()
                epoch = last.get("redraw") or last["epochs"]
                cell = Cell("accuracy", epoch, 100 * published.published, reading=100 * each.reading)
                label = ", ".join(filter(None, (series.panel, series.label)))
                found.append(Row(label, series.settings, size.cells([cell], epoch), f"figure {each.name}"))
    return found


def wanted(experiment):
    """Whether an experiment repeats published runs on the parity of digits."""
    return PUBLISHED in experiment.modes and experiment.draws in ("curves", "bars")


TABLES = (
    Table(
        "akrout-2019",
        "Weight mirror and Kolen-Pollack on MNIST",
        "Akrout et al. 2019, the logs in github.com/makrout/Deep-Learning-without-Weight-Transport",
        "The numbers may differ by 0.7 points and 4 degrees. Their program divides the gradient of the biases by the batch size twice, "
        "this one once.",
        akrout,
    ),
    Table(
        "frenkel-2021",
        "Direct random target projection on MNIST, dense networks",
        "Frenkel, Lefebvre & Bol 2021, in github.com/ChFrenkel/DirectRandomTargetProjection",
        "The optimizer of the table is not said; Adam is run, and Nesterov, the default of their program, for the smallest network. The "
        "rates are those of a fork's scripts. As in their program the loss is averaged over the outputs, DFA and DRTP send sums over the "
        "batch, and eps stands outside the root.",
        frenkel,
        seeds=10,
    ),
    Table(
        "biotorch",
        "Sign-symmetric feedback on MNIST: which rules are better than FA",
        "The benchmark of github.com/jsalbert/biotorch",
        "Their network is a LeNet of 100 epochs, with the epoch chosen on the test images; here it is dense, of three hidden layers "
        "and 20 epochs. So only the order is compared.",
        biotorch,
        reference="FA",
    ),
    Table(
        "nokland-2016",
        "Direct feedback alignment on MNIST",
        "Nøkland 2016, table 1, quoted from memory",
        "The numbers and settings could not be verified, so they decide nothing. The learning rate is open; two are run.",
        nokland,
    ),
    Table(
        "demirbilek-2021",
        "BP, DFA and lazy methods on the parity of digits",
        "Demirbilek 2021, figures 2.1, 3.1, 3.3 and 3.4",
        "The published interval is unknown; it is assumed to be as wide as that of dfanp. See dfanp reproduce.",
        demirbilek,
    ),
)
