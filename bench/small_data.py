"""DFAClassifier and DFARegressor beside scikit-learn's networks on the data sets that come with it, with the defaults of both.

    python -m dfanp_bench.small_data --out small_data.json

Columns, and the targets of diabetes, are standardized. For each seed a quarter of the examples is the test set; all candidates have the
same. Times to fit are processor times on one thread, which a busy machine changes little.
"""

import argparse
import json
import sys
import warnings
from statistics import median
from time import process_time

from dfanp.analysis.intervals import mean_interval
from dfanp.files.whole import write_whole

from .report import machine, rows

DATA = {"wine": "accuracy", "digits": "accuracy", "breast_cancer": "accuracy", "diabetes": "R²"}
RULES = ("bp", "fa", "dfa")
PEER = "scikit-learn"


def candidates(measure, seed):
    """Return title -> an estimator with its defaults."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from dfanp.estimator import DFAClassifier, DFARegressor

    mine, theirs = (DFAClassifier, MLPClassifier) if measure == "accuracy" else (DFARegressor, MLPRegressor)
    return {rule: mine(rule=rule, random_state=seed, threads=1) for rule in RULES} | {PEER: theirs(random_state=seed)}


def measure(name, seeds, **more):
    """Return title -> {"scores", "seconds", "epochs"} on a data set, one number per seed; candidates take turns.

    Args:
        more: parameters of all estimators in place of their defaults.
    """
    from sklearn import datasets
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    kind, found = DATA[name], {}
    for seed in range(seeds):
        split = train_test_split(X, y, random_state=seed, stratify=y if kind == "accuracy" else None)
        scaler = StandardScaler().fit(split[0])
        X_train, X_test, y_train, y_test = scaler.transform(split[0]), scaler.transform(split[1]), *split[2:]
        if kind != "accuracy":
            mean, std = y_train.mean(), y_train.std()
            y_train, y_test = (y_train - mean) / std, (y_test - mean) / std
        for title, estimator in candidates(kind, seed).items():
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore", ConvergenceWarning)
                began = process_time()
                estimator.set_params(**more).fit(X_train, y_train)
                seconds = process_time() - began
            each = found.setdefault(title, {"scores": [], "seconds": [], "epochs": []})
            each["scores"].append(float(estimator.score(X_test, y_test)))
            each["seconds"].append(seconds)
            each["epochs"].append(int(estimator.n_iter_))
    return found


def interval(values):
    """Return the mean of values and the half-width of its 95 % interval, as text."""
    mean, half = mean_interval(values)
    return f"{mean:.3f}" if half is None else f"{mean:.3f} ± {half:.3f}"


def markdown(result):
    """Return the table of a result, as Markdown: scores, paired differences, and times as ratios."""
    body = []
    for name, found in result["found"].items():
        theirs = found[PEER]
        for title, each in found.items():
            apart = [a - b for a, b in zip(each["scores"], theirs["scores"], strict=True)]
            ratio = median(b / a for a, b in zip(each["seconds"], theirs["seconds"], strict=True))
            line = [
                interval(each["scores"]),
                "" if title == PEER else interval(apart),
                f"{ratio:.2f}",
                f"{median(each['epochs']):.0f}",
            ]
            body.append([f"{name} ({DATA[name]})", title, *line])
    seeds = f"{result['seeds']} seeds"
    return rows(
        ["data", "", f"score, {seeds}", f"minus {PEER}'s, paired", f"times as fast as {PEER}", "epochs"], body
    )


def main(args=None):
    """Measure, print the table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--out", metavar="FILE", help="a .json file")
    given = parser.parse_args(args)
    import sklearn

    result = {"machine": machine(), "scikit-learn": sklearn.__version__, "seeds": given.seeds, "found": {}}
    for name in given.data:
        print(f"{name} …", file=sys.stderr)
        result["found"][name] = measure(name, given.seeds)
    print(markdown(result))
    if given.out:
        content = json.dumps(result, indent=1, allow_nan=False) + "\n"
        write_whole(given.out, lambda file: file.write(content.encode()))


if __name__ == "__main__":
    main()
