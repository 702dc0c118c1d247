"""What the pass of the CUDA tier costs before any card has run it: registers, spills, and the instructions of its loops.

    python -m dfanp_bench.instructions [--source FOLDER] [--out FILE.json]

Compiles ``cuda_pass.cu`` with nvcc for the shapes that are chosen for some cards, and counts in the machine code that nvdisasm shows
(``pip install nvidia-cuda-nvdisasm``). Counts are static: of a loop without another one in it, how many instructions one turn has.
"""

import argparse
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import product
from pathlib import Path

from dfanp.kernels import cuda, mirror
from dfanp.kernels.cuda import card
from dfanp.kernels.cuda.shapes import shape_of

CARDS = {  # architecture, multiprocessors, KiB of shared memory of a block
    "A100": ("sm_80", 108, 163),
    "RTX 4090": ("sm_89", 128, 99),
    "H100": ("sm_90", 132, 227),
    "B200": ("sm_100", 148, 227),
}
NETWORKS = {  # words, hidden units, batch, optimizer's number and its state arrays: the main experiment and a smaller one
    "k = 3, RMSProp": (588, 512, 128, "rmsprop", 1),
    "k = 3, Adam": (588, 512, 128, "adam", 2),
    "k = 1, SGD": (196, 512, 128, "sgd", 0),
}
KINDS = {
    "FFMA": "FFMA",
    "MUFU": "MUFU",
    "shared": "LDS|STS|LDGSTS",
    "global": "LDG|STG|LD|ST|RED|ATOM",
    "barrier": "BAR|MEMBAR",
}
LEAST = 8  # instructions of a loop that is listed


def defines(shape, words, n, opt, states):
    """Return the macros of a pass on digits of 28 × 28 pixels."""
    kind = mirror.number(mirror.OPTIMIZERS, opt)
    return cuda.pass_macros(shape, n, words // 196, 784, False, 0, kind, states, True, True)


def disassembler():
    """Return the path of nvdisasm: on the PATH, or in NVIDIA's wheel."""
    found = shutil.which("nvdisasm")
    spec = importlib.util.find_spec("nvidia") if found is None else None
    for folder in spec.submodule_search_locations if spec else ():
        found = next(map(str, Path(folder).glob("*/bin/nvdisasm*")), found)
    return found or "nvdisasm"


def compiled(source, arch, macros, folder):
    """Return nvcc's remarks on a pass for an architecture, and nvdisasm's listing of it."""
    cubin = Path(folder) / "pass.cubin"
    flags = card.options("cuda_pass.cu", macros)
    command = [
        "nvcc",
        *flags,
        "-ftz=true",
        "-lineinfo",
        "-cubin",
        f"-arch={arch}",
        "-Xptxas",
        "-v",
        "-o",
        cubin,
        source / "cuda_pass.cu",
    ]
    remarks = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    listing = subprocess.run([disassembler(), "-c", "-g", cubin], check=True, capture_output=True, text=True).stdout
    return remarks, listing


def loops(listing):
    """Return the instructions of a listing, as (name, line of the source), and the loops that have no other in them, as ranges."""
    instructions, labels, jumps, line = [], {}, [], 0
    for text in listing.splitlines():
        if found := re.search(r"line (\d+)", text) if text.strip().startswith("//##") else None:
            line = int(found[1]) if "inlined" not in text else line
        elif found := re.match(r"(\.L_x_\d+):", text):
            labels[found[1]] = len(instructions)
        elif found := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\d+ )?([A-Z][A-Z0-9_.]*)(.*);", text):
            target = re.search(r"\(?`?\(?(\.L_x_\d+)", found[2])
            if found[1].startswith("BRA") and target:
                jumps.append((target[1], len(instructions)))
            instructions.append((found[1], line))
    found = sorted({(labels[to], at + 1) for to, at in jumps if labels.get(to, at + 1) <= at})
    inner = [a for a in found if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in found)]
    return instructions, inner


def counts(instructions):
    """Return how many instructions there are, and of each kind."""
    names = Counter(name.partition(".")[0] for name, _ in instructions)
    return {"all": len(instructions)} | {
        kind: sum(count for name, count in names.items() if re.fullmatch(those, name))
        for kind, those in KINDS.items()
    }


def of_products(instructions, inner, source):
    """Return the instructions of a warp for a word in X @ W, for an example in X.T @ delta, and for 32 words that are copied.

    By tensor cores they are for 8 words, and for 8 examples. A loop is known by the function of the source that its lines
    are in, and its turns by the multiply-adds, products of matrices, or copies of one.
    """
    lines = (source / "cuda_pass.cu").read_text(encoding="utf-8").splitlines()
    at = lambda text: next(i for i, line in enumerate(lines, 1) if text in line)
    within = {
        "forward": (at("FN void multiply("), at('extern "C" __global__'), "FFMA", 128),
        "backward": (at("#if LEARN_W0\n".strip()), len(lines), "FFMA", 32),
        "copied": (at("FN void copy_batch("), at("FN i64 row_of("), "LDGSTS", 1),
    }
    found = {}
    count = lambda a, b, kind: sum(each.partition(".")[0] == kind for each, _ in instructions[a:b])
    by_tensor_cores = sorted((a, count(a, b, "HMMA")) for a, b in inner if count(a, b, "HMMA"))
    if by_tensor_cores:  # all of them inlined into one function, in their order: first X @ W
        ends = dict(inner)
        for name, (a, number) in zip(("forward", "backward"), by_tensor_cores, strict=False):
            found[name] = round((ends[a] - a) / (number / 16), 1)
        within = {"copied": within["copied"]}
    for name, (first, last, kind, of_turn) in within.items():
        for a, b in inner:
            number = count(a, b, kind)
            if first <= instructions[a][1] < last and number >= of_turn and (kind != "FFMA" or 2 * number > b - a):
                found[name] = round((b - a) / (number / of_turn), 1)
    return found


def measured(source):
    """Yield a dict for each network and card whose multiprocessors hold it."""
    for (network, (words, H, n, opt, states)), tensor in product(NETWORKS.items(), (False, True)):
        for name, (arch, multiprocessors, shared) in CARDS.items():
            shape = shape_of(multiprocessors, shared << 10, words, H, n, False, states, True, tensor)
            if shape is None:
                continue
            with tempfile.TemporaryDirectory() as folder:
                remarks, listing = compiled(source, arch, defines(shape, words, n, opt, states), folder)
            number = lambda text, remarks=remarks: int(re.search(rf"(\d+) {text}", remarks)[1])
            instructions, inner = loops(listing)
            yield {
                "network": network,
                "card": name,
                "arch": arch,
                "shape": shape._asdict(),
                "registers": int(re.search(r"Used (\d+) registers", remarks)[1]),
                "spilled": number("bytes spill stores"),
                "stack": number("bytes stack frame"),
                "kernel": counts(instructions),
                "turns": of_products(instructions, inner, source),
                "loops": [
                    {"line": instructions[a][1]} | counts(instructions[a:b]) for a, b in inner if b - a >= LEAST
                ],
            }


def table(found):
    """Return the Markdown table of what ``measured`` yields."""
    head = ("network", "card", "registers", "spilled", "stack", "instructions", "FFMA", "largest loop", "its FFMA")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for each in found:
        largest = max(each["loops"], key=lambda loop: loop["all"], default={"all": 0, "FFMA": 0})
        kernel = each["kernel"]
        cells = (
            each["network"] + (", tensor cores" if each["shape"]["tensor"] else ""),
            each["card"],
            each["registers"],
            each["spilled"],
            each["stack"],
            kernel["all"],
            kernel["FFMA"],
        )
        lines.append("| " + " | ".join(map(str, (*cells, largest["all"], largest["FFMA"]))) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--source",
        type=Path,
        default=Path(card.__file__).parent,
        help="Folder of another cuda_pass.cu, to compare with.",
    )
    parser.add_argument("--out", type=Path, help="Write all counts to this JSON file.")
    given = parser.parse_args()
    found = []
    for each in measured(given.source):
        print(f"{each['network']} on {each['card']}", file=sys.stderr)
        found.append(each)
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
