"""Draw parity_mnist.svg and .png from the records, and print the README's table: `python figures/parity_mnist.py`.

Nothing here trains. The records are run folders (without checkpoint and timings) made by the commands in the README.
"""

from pathlib import Path

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from dfanp.intervals import mean_interval
from dfanp.plots import curve, save
from dfanp.records import read_config, read_log

HERE = Path(__file__).parent
# Test accuracy after epoch 20, mean of three repeats: Demirbilek 2021, figures 3.1 (k = 1) and 3.4 (k = 3)
PUBLISHED = {
    ("bp", "sgd", 1): 0.988,
    ("dfa", "sgd", 1): 0.978,
    ("bp", "rmsprop", 3): 0.806,
    ("dfa", "rmsprop", 3): 0.774,
    ("bp", "sgd", 3): 0.757,
    ("dfa", "sgd", 3): 0.681,
}
STYLES = {  # told apart without colour, too
    ("bp", "rmsprop"): dict(color="#0b3c5d", linestyle="-", marker="o"),
    ("dfa", "rmsprop"): dict(color="#c8553d", linestyle="-", marker="^"),
    ("bp", "sgd"): dict(color="#4f86c6", linestyle="--", marker="s"),
    ("dfa", "sgd"): dict(color="#f0a04b", linestyle="--", marker="D"),
}


def runs():
    """Yield (method, opt, k), settings and rows of each run, in the order of PUBLISHED."""
    for method, opt, k in PUBLISHED:
        folder = HERE / "records" / "parity-mnist" / f"{method}-{opt}-{k}"
        yield (method, opt, k), read_config(folder)["config"], read_log(folder)


def table():
    """Return the README's table of results, in Markdown."""
    lines = [
        "| k | rule | optimizer | lr | ours, 95 % interval | published | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for (method, opt, k), settings, rows in runs():
        finals = [row["test_accuracy"] for row in rows if row["epoch"] == settings["epochs"]]
        mean, half = mean_interval(finals)
        published = PUBLISHED[method, opt, k]
        lines.append(
            f"| {k} | {method.upper()} | {opt} | {settings['lr']:g} | {mean:.4f} ± {half:.4f} | {published:.3f} "
            f"| {mean - published:+.4f} |"
        )
    return "\n".join(lines)


def draw(path):
    """Draw test accuracy over the epochs, a panel for each k, and the published means as crosses at the end."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasSVG(figure)
    panels = dict(zip((1, 3), figure.subplots(1, 2), strict=True))
    for (method, opt, k), settings, rows in runs():
        epochs, means, halves = curve(rows, lambda row: row["test_accuracy"])
        axis, style = panels[k], STYLES[method, opt]
        axis.plot(epochs, means, **style, markersize=3.5, linewidth=1.4, label=f"{method.upper()}, {opt}")
        axis.fill_between(epochs, means - halves, means + halves, color=style["color"], alpha=0.15, linewidth=0)
        axis.plot(settings["epochs"] + 0.7, PUBLISHED[method, opt, k], "x", color=style["color"], markersize=7)
    panels[1].set_title("One digit: DFA ends 0.01 below backpropagation", fontsize=10, loc="left")
    panels[3].set_title("Three digits: with RMSProp, DFA matches BP with SGD", fontsize=10, loc="left")
    panels[3].axhline(0.5, color="0.6", linewidth=1, linestyle=":")
    panels[3].annotate("chance", (20, 0.497), color="0.4", fontsize=8, ha="right", va="top")
    for k, axis in panels.items():
        axis.set_xlabel(f"epoch (k = {k})")
        axis.xaxis.set_major_locator(MultipleLocator(5))
        axis.spines[["top", "right"]].set_visible(False)
        axis.plot([], [], "x", color="0.3", label="published")
        axis.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.1))
    panels[1].set_ylabel("test accuracy on MNIST parity")
    save(figure, path)


if __name__ == "__main__":
    draw(HERE / "parity_mnist.svg")
    draw(HERE / "parity_mnist.png")
    print(table())
