"""DFAClassifier beside scikit-learn's MLPClassifier: accuracy, and times to fit as ratios in one run.

On the digits one hidden layer of 100; on MNIST two of 1000 tanh units, the network of the table in the slides of the DRTP paper (Frenkel,
Lefebvre & Bol 2021), which trains it for 100 epochs to test errors of 1.67 (BP), 1.90 (FA) and 3.46 % (DFA).
"""

import json
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter

from dfanp.analysis.intervals import mean_interval

from .report import machine, rows, seconds

RULES = ("bp", "fa", "dfa")
PEER = "MLPClassifier"
SIZES = {"digits": (100,), "mnist": (1000, 1000), "fashion-mnist": (1000, 1000)}
RATES = {"digits": 0.001, "mnist": 0.0003, "fashion-mnist": 0.0003}


def candidates(data, epochs):
    """Return title -> a new estimator, for `epochs` epochs in batches of 128 with Adam."""
    from sklearn.neural_network import MLPClassifier

    from dfanp.estimator import DFAClassifier

    activation, rate = "relu" if data == "digits" else "tanh", RATES[data]
    shared = {
        "alpha": 0.0,
        "tol": 0.0,
        "n_iter_no_change": epochs,
        "activation": activation,
        "batch_size": 128,
        "learning_rate_init": rate,
        "max_iter": epochs,
    }
    ours = {f"DFAClassifier, {rule}": DFAClassifier(SIZES[data], rule=rule, **shared) for rule in RULES}
    return ours | {PEER: MLPClassifier(SIZES[data], **shared)}


def fit_ours(settings):
    """Return the run of a ``DFAClassifier.fit`` of one epoch, with all that it does around it."""
    from dfanp.estimator import DFAClassifier

    return fitting(DFAClassifier(rule=settings["rule"], threads=settings["threads"], **for_both(settings)), settings)


def fit_theirs(settings):
    """Return the run of an ``MLPClassifier.fit`` of one epoch, by BP."""
    from sklearn.neural_network import MLPClassifier

    return fitting(MLPClassifier(alpha=0.0, **for_both(settings)), settings)


def for_both(settings):
    """Return the arguments of both estimators by the settings of a candidate."""
    return {
        "hidden_layer_sizes": tuple(settings["hidden"]),
        "activation": settings["activation"],
        "batch_size": settings["batch"],
        "learning_rate_init": settings["lr"],
        "max_iter": 1,
        "random_state": 0,
    }


def fitting(estimator, settings):
    """Return the run of an estimator's fit on the data of ``dfanp_runs.classes``."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    from .dfanp_runs import class_data

    X, y = class_data(settings)
    labels = y.argmax(axis=1)

    def run():
        with warnings.catch_warnings(), threadpool_limits(settings["threads"]):
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(X, labels)

    return {"run": run}


def measure(data, data_dir, epochs, rounds, say):
    """Return what each candidate's accuracies and times to fit are, taking turns; each round has a ``random_state`` of its own."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    from dfanp import load

    dataset = load(data, data_dir)
    scaled = lambda images: ((images.pixels - dataset.mean) / dataset.std).astype("float32")
    train, test = (scaled(dataset.train), dataset.train.labels), (scaled(dataset.test), dataset.test.labels)
    everybody, found = candidates(data, epochs), {}
    for turn in range(rounds):
        for title, estimator in everybody.items():
            fitted, began = clone(estimator).set_params(random_state=turn), perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted.fit(*train)
            measured = found.setdefault(title, {"seconds": [], "test_accuracies": []})
            measured["seconds"].append(perf_counter() - began)
            measured["test_accuracies"].append(float(fitted.score(*test)))
            say(
                f"round {turn + 1} of {rounds}, {title}: {measured['test_accuracies'][-1]:.4f} in {measured['seconds'][-1]:.1f} s"
            )
    theirs = found[PEER]["seconds"]
    for measured in found.values():
        measured["faster"] = median(b / a for a, b in zip(measured["seconds"], theirs, strict=True))
    return {"data": data, "hidden": list(SIZES[data]), "epochs": epochs, "rounds": rounds, "found": found}


def begin():
    """Return a result without measurements yet."""
    return {"machine": machine(), "measurements": []}


def accuracy(values):
    """Return the mean of accuracies, with the half-width of its 95 % interval where there are several."""
    mean, half = mean_interval(values)
    return f"{mean:.4f}" if half is None else f"{mean:.4f} ± {half:.4f}"


def markdown(result):
    """Return the tables of a result, as Markdown."""
    parts = [result["machine"]["cpu"]]
    for each in result["measurements"]:
        body = [
            (
                title,
                accuracy(measured["test_accuracies"]),
                seconds(median(measured["seconds"])),
                f"{measured['faster']:.2f}",
            )
            for title, measured in each["found"].items()
        ]
        layers = "-".join(map(str, each["hidden"]))
        head = [
            f"{each['data']}, {layers}, {each['epochs']} epochs",
            "test accuracy",
            "to fit",
            f"times as fast as {PEER}",
        ]
        parts.append(rows(head, body))
    return "\n\n".join(parts)


def keep(result, folder):
    """Write ``estimator.json`` into `folder`; return its path."""
    path = Path(folder) / "estimator.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path
