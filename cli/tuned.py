"""What a sweep has found: a row for each combination of settings, the tables that are printed, and runs with fresh seeds."""

from .tables import decimals
from .terminal import bad, good
from .terminal import table as table_of


def summary_of(results, last):
    """Return a dict for each group of settings: its names, all rates, the best one, score, interval, and remarks."""
    from dfanp.sweeps import tuning

    found = tuning.candidates(results, last)
    names = tuning.axes(found)
    rows = []
    for values, group in tuning.grouped(found, names).items():
        top = tuning.best(group)
        row = {"setting": dict(zip(names, values, strict=True)), "rates": len(group)}
        row |= {"lr": top and top.config["lr"], "score": top and top.mean, "ci95": top and top.half}
        row |= {"seeds": len(top.values) if top else 0, "diverged": sum(each.diverged for each in group)}
        row |= {"at_edge": bool(top) and tuning.at_edge(top, group)}
        row |= {"not_separated": tuning.not_separated(top, group) if top else []}
        row |= {"curve": [point(each) for each in sorted(group, key=lambda each: each.config["lr"])]}
        rows.append(row | {"evaluated": None, "winner": top})
    return rows


def point(candidate):
    """Return what a Candidate is at its rate, for the curve of all rates."""
    found = {"lr": candidate.config["lr"], "score": candidate.mean, "ci95": candidate.half}
    return found | {"worst": candidate.worst, "seeds": len(candidate.values), "diverged": candidate.diverged}


def fresh_seeds(row, seeds, count, out):
    """Return the settings of the best of a row of ``summary_of`` with `count` seeds after all `seeds`, not held out."""
    from dfanp.settings import from_config

    if row["winner"] is None:
        return []
    config = row["winner"].config | ({"held_out": False} if "held_out" in row["winner"].config else {})
    return [from_config(config | {"seed": max(seeds) + 1 + i}, out) for i in range(count)]


def evaluation(settings, results, last):
    """Return what runs of fresh seeds come to: accuracy, its interval, number of seeds, diverged ones.

    Args:
        settings: of the runs. results: key -> Result.
    """
    from dfanp.runs.store import key_of
    from dfanp.sweeps import tuning

    runs = [results[key] for each in settings if (key := key_of(each.config())) in results]
    if not runs:
        return None
    (found,) = tuning.candidates(runs, last)
    return {"score": found.mean, "ci95": found.half, "seeds": len(found.values), "diverged": found.diverged}


MOST_RATES = 60  # rows of the table of all rates; `dfanp results` has those of larger sweeps


def table(best, lost):
    """Return the tables printed at the end."""
    names = list(best[0]["setting"]) if best else []
    parts = [curves(best, names), bests(best, names), *follow_up(best, names)]
    return "\n\n".join(part for part in [*parts, "\n".join(f"{bad('failed:')} {line}" for line in lost)] if part)


def curves(best, names):
    """Return the table of all rates, "" if there is nothing to compare."""
    body = []
    for each in best:
        for one in each["curve"]:
            remarks = [good("best")] if one["lr"] == each["lr"] else []
            remarks += [f"not separated from {each['lr']:.4g}"] if one["lr"] in each["not_separated"] else []
            remarks += [bad(f"{one['diverged']} diverged")] if one["diverged"] else []
            numbers = [decimals(one["score"]), half_of(one["ci95"]), decimals(one["worst"]), str(one["seeds"])]
            body.append([*each["setting"].values(), f"{one['lr']:.4g}", *numbers, "; ".join(remarks)])
    if not max((len(each["curve"]) for each in best), default=0) > 1:
        return ""
    if len(body) > MOST_RATES:
        return f"{len(body)} rates: `dfanp results DIR --group-by {','.join([*names, 'lr'])}` shows all."
    head = [*names, "lr", "score", "95 %", "worst", "seeds", ""]
    return "\n".join(table_of(head, body))


def bests(best, names):
    """Return the table of the best rates."""
    body = []
    for each in best:
        remarks = ["at the edge of the grid: try beyond"] if each["at_edge"] else []
        close = ", ".join(f"{rate:.4g}" for rate in each["not_separated"])
        remarks += [f"these seeds do not separate it from {close}"] if close else []
        remarks += [bad(f"{each['diverged']} runs diverged")] if each["diverged"] else []
        lr = "-" if each["lr"] is None else good(f"{each['lr']:.4g}")
        numbers = [decimals(each["score"]), half_of(each["ci95"]), str(each["seeds"])]
        body.append([*each["setting"].values(), lr, *numbers, "; ".join(remarks)])
    return "\n".join(table_of([*names, "best lr", "score", "95 %", "seeds", ""], body))


def follow_up(best, names):
    """Return paragraphs: how good the best are with fresh seeds, and the commands that train them."""
    body = [
        [*each["setting"].values(), decimals(found["score"]), half_of(found["ci95"]), str(found["seeds"])]
        for each in best
        if (found := each["evaluated"])
    ]
    if body:
        what = "loss" if any(each["winner"] and each["winner"].lower for each in best) else "accuracy"
        yield f"With fresh seeds (test {what}):\n" + "\n".join(table_of([*names, "score", "95 %", "seeds"], body))
    commands = [each["command"] for each in best if each["command"]]
    if 0 < len(commands) <= MOST_RATES:
        yield "To train the best with fresh seeds:\n" + "\n".join(commands)


def measured_on(results):
    """Return what the scores of some Results are: of test or validation (held-out training) images, or a loss."""
    from dfanp.sweeps import tuning

    images = "validation" if any(result.config.get("held_out") for result in results) else "test"
    return f"{images} {'loss' if tuning.is_loss(tuning.measure_of(results)) else 'accuracy'}"


def half_of(value):
    return "-" if value is None else f"±{value:.4f}"
