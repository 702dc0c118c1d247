"""The how-to part of cli/README.md.

It is written by hand; ``reference.py`` puts it above the reference of the commands.
"""

# A sweep as a file, also in the help of `dfanp tune`.
SWEEP_FILE = """\
problem = "parity"
method = ["bp", "dfa"]
lr = "log:1e-4:1e-2:5"
hidden = [[512], [256, 256]]
repeats = 3
out = "tuned"
"""
GUIDE = """\
## Guides

### Data

```sh
dfanp data fetch mnist                   # 11 MB, checked by SHA-256, stored in the cache
dfanp data list                          # which data sets are available, and where
dfanp parity --k 3 --method dfa --opt rmsprop --data mnist
```

If you have the four IDX files (plain or .gz) already, `--data-dir DIR` or the variable `DFANP_DATA` names the folder
that holds them, a folder `mnist` with them, or torchvision's layout. Without either, `--data auto` uses MNIST from the
cache if it is there, or else the embedded 8 × 8 digits, and says which. Nothing is downloaded unless you ask for it.

`--data idx:DIR` reads your own images in the format of MNIST: four files with the names of MNIST's, with square uint8
images and labels from 0 to 9. Their checksum is not known in advance, so a run records it.

### Single runs

```sh
dfanp parity --method bp --opt sgd --repeats 3 --align --plot curves.png
```

- `--rule`, `--optimizer`, `--seeds` and `--alignment` are other names of `--method`, `--opt`, `--repeats` and
  `--align`: those of the library.
- `--repeats 3` trains the seeds `--seed`, `--seed` + 1 and `--seed` + 2 in one loop. Each equals its solo run bit for
  bit.
- `--align` measures, after each epoch and on fixed examples, the cosine between B and the weights that BP would use in
  its place, and between the rule's gradient and the gradient of BP at the same weights.
- `--plot curves.png` draws accuracy and alignment over the epochs.
- `--json` prints one object instead of the table: `config` (every setting, the data with its SHA-256, device, kernels),
  `environment`, `runs` (for each seed its `status` and `epochs`, one record per epoch), and `summary.test_accuracy`
  with `mean` and `ci95`, the half-width of the 95 % interval (null for a single seed); for regression there is
  `summary.test_loss`, too.
- `--plugin mine.py` loads your own rules, activations, losses and optimizers, as shown under *Write your own* in the
  [README](../README.md#write-your-own).

### Your own data

```sh
dfanp train iris.csv --label species --method dfa --opt adam --repeats 3 --out runs/iris
dfanp tune train iris.csv --method bp,dfa --lr log:1e-3:1e-1:5 --opt adam --out tuned-iris
dfanp export runs/iris --out iris.npz
```

DATA is a .csv (also .tsv, .txt, .gz), .npz or .parquet file, or a folder of IDX files. What was understood is printed
first:

```text
data      iris.csv: 150 examples of 4 features (sepal_length, sepal_width, petal_length, petal_width)
label     species, column 5 of 5: 3 classes (setosa 50, versicolor 50, virginica 50)
split     120 to train on, 30 to test on
```

- A table has a line of names. The label is the column of `--label`, else one called label, target, class or y, else the
  last one. Columns of text become one input per value; `--drop id,name` leaves columns out.
- An .npz file has the arrays X and y, and X_test and y_test if there are any; `--test FILE` names a file with the test
  examples. Otherwise a fifth is tested on, drawn from each class alike (`--test-share`, `--split-seed`).
- Texts, and whole numbers with at most 20 values, are classes; other labels are regressed. `--task` decides otherwise.
- Inputs, and the labels of a regression, are scaled to mean 0 and variance 1 (`--scale`). `dfanp export` puts the scaling
  into the weights: the exported network takes the columns as they are.
- `dfanp represent`, `report`, `plot` and `results` take these runs like all others. .parquet needs
  `pip install '.[tables]'`.

### Saved runs

```sh
dfanp parity --k 3 --method dfa --out runs/dfa
```

`--out DIR` saves a run: `config.json`, `log.jsonl` (one line per epoch and seed), `timings.jsonl` and `checkpoint.npz`
(no pickle). After an interrupt, a crash or a full disk the same command resumes it, and it ends with the same bytes as
an uninterrupted run, except for `timings.jsonl`. With a larger `--epochs` it continues a finished run. A folder that
holds a run with other settings is refused.

`dfanp train runs/dfa --out runs/again` trains a saved run again, whatever its problem, by the settings in its
config.json; options replace them (`--seed 5`). `--seed 0,3,7` trains these seeds. Every command that trains takes
`--config FILE`, a config.json or a TOML file.

### Disks

The second problem of the thesis (after Chizat & Bach 2020): nine disks in a plane, labelled 0 or 1, among uninformative
dimensions.

```sh
dfanp synthetic --method bp                    # both layers learn: test accuracy 0.97 after 500 epochs
dfanp synthetic --method bp --layers output    # the output layer alone: 0.79
dfanp synthetic --n 512 --d 25 --labels random --points-seed 3 --repeats 3
```

`--labels` is the labeling of the thesis (the default for nine disks), any other (`011110100`, row by row: the first
coordinate varies fastest), or `random`.

### Classes of images

```sh
dfanp classes --method dfa --opt adam --hidden 800,800 --activation tanh
```

Which of ten digits (or kinds of clothes) is an image? There are ten outputs; `--loss bce` makes them independent.

### Published tables

```sh
dfanp published list                 # which tables there are, where they were read, and what they leave open
dfanp published akrout-2019          # weight mirror and Kolen-Pollack on MNIST, as their authors ran them
```

For each number the table has that of dfanp, the mean over the seeds with its 95 % interval, and whether both agree. A
table is a sweep: after an interrupt the same command resumes it, and `dfanp results` shows its runs.

### Sweeps

Which learning rate is best? Every setting of `dfanp parity`, `classes`, `synthetic` and `teacher` may be a list or a
range in `dfanp tune`. Runs are scored on held-out training images by the mean accuracy of their last ten epochs
(`--score published`: on the test images, as in the thesis).

```sh
dfanp tune parity --lr log:1e-4:1e-2:5 --opt rmsprop,adam --method bp,dfa --epochs 4 --repeats 2 --workers 2 --out tuned --plot rates.png
```

```text
method  opt       best lr   score     95 %  seeds
bp      rmsprop  0.003162  0.8043  ±0.0548      2  these seeds do not separate it from 0.001, 0.01
dfa     rmsprop     0.001  0.7717  ±0.0627      2  these seeds do not separate it from 0.003162
bp      adam     0.003162  0.7977  ±0.0065      2  these seeds do not separate it from 0.001, 0.01
dfa     adam     0.003162  0.7776  ±0.0111      2  these seeds do not separate it from 0.001, 0.01

With fresh seeds (test accuracy):
method  opt       score     95 %  seeds
bp      rmsprop  0.7711  ±0.0214      2
dfa     rmsprop  0.7321  ±0.0594      2
bp      adam     0.7606  ±0.0408      2
dfa     adam     0.7412  ±0.0310      2

To train the best with fresh seeds:
dfanp parity --lr 0.00316227766 --rule bp --epochs 4 --seed 2 --seeds 2 --data digits
dfanp parity --lr 0.001 --epochs 4 --seed 2 --seeds 2 --data digits
dfanp parity --lr 0.00316227766 --rule bp --optimizer adam --epochs 4 --seed 2 --seeds 2 --data digits
dfanp parity --lr 0.00316227766 --optimizer adam --epochs 4 --seed 2 --seeds 2 --data digits

score: mean validation accuracy of the last 4 epochs; worst: of a seed
```

A header says what the sweep is: its runs, the grid as it was understood, workers, kernels and data. While it runs, one
line shows the epochs of all runs, what runs now, and the time left; without a terminal a line is printed now and then.
`dfanp results tuned` shows finished, running, waiting and failed runs at any time. The layers of a network are separated
by hyphens: `--hidden 256,512-512` has two networks, `--hidden 256,512` is one of two layers, as everywhere.

A TOML file may hold the whole command, for `dfanp tune sweep.toml`; options replace its values:

```toml
SWEEP_FILE```

A table of all rates comes first (left out here). Two seeds are not enough to choose between rates that are close, and the
remarks say so; with `--repeats 5` or more, rates whose seeds lie far apart are passed over.

- Each finished run is one line of `tuned/store.jsonl`; longer runs also save checkpoints. After Ctrl-C (the first lets
  the running epochs end, the second stops at once), `kill -9`, a crashed worker or a full disk, the same command trains
  only what is missing. A larger grid in the same folder trains only its new runs. Results depend neither on interrupts
  nor on the number of workers.
- `--halving 3` trains large grids of rates in stages and keeps the best third in each.
- `--cluster tcp://host:8786` trains on the workers of a Dask scheduler (`pip install '.[cluster]'`;
  `dask worker --nthreads 1`), which must see the folder under the same path.
- `--keep` saves the final weights of each run. Runs that differ only in seed and learning rate are trained together
  where that is faster. With `--kernels numpy` BLAS uses one thread, so that the bits of a result do not depend on the
  workers.

```sh
dfanp results tuned --where method=dfa
dfanp results tuned --group-by method,opt,lr --sort=-score --top 5
dfanp results tuned --compare method   # differences of runs with the same seed, with intervals
dfanp plot tuned --out rates.png
dfanp plot tuned --x lr --hue method --facet opt --title "Rates" --size 8x3 --out panels.png
dfanp plot runs/bp runs/dfa --out curves.svg    # over the epochs, a line for each folder
dfanp report tuned --out tuned.html
```

`--x` is any setting, or epoch. Where the learning rate is on no axis and no line, the best one is drawn; settings that
are on none are averaged over for each seed, and the command says which.

### Representations

What can be read from a hidden layer? Probes are trained to predict labels from it on one half of the test examples and
tested on the other: a linear one, 15 nearest neighbours, and both again on the two leading principal components.

```sh
dfanp represent runs/dfa --place 1                   # a single digit, through the weights of its place
dfanp represent runs/dfa --layer 1 --plot map.png    # whole examples; a t-SNE map before and after training
```

### Attacks

```sh
dfanp attack runs/bp runs/dfa --plot attack.png      # saved runs of images, such as parity and classes
dfanp report runs/bp runs/dfa --out report.html      # now with a section about the attacks
```

How many answers stay right if every pixel may change by ε? FGSM takes one step along the sign of the input gradient, PGD
twenty. The gradient is that of the network, through the transposed weights; *masked* is what the rule's own feedback would
send to the input, with a B drawn for it. Random signs, examples made for another run or seed, and a large ε are controls.
With several runs of the same seeds, paired differences from the first follow. The weights of every tier are read back and
attacked with NumPy in float64.

### Convolution

```sh
dfanp conv --method dfa --align --repeats 2                       # filters learn
dfanp conv --method dfa --first-layer frozen --repeats 2          # they keep their initial values
dfanp figure conv-digits                                          # BP, FA and DFA, frozen and trained, ten seeds
```

`dfanp figure conv` is the same on MNIST, `dfanp figure conv-fashion` on Fashion-MNIST. They resume after an interrupt, and
are no part of `dfanp reproduce`.

### Reports

```sh
dfanp parity --k 3 --method bp --repeats 3 --align --out runs/bp
dfanp report runs/bp runs/dfa --out report.html
```

A report is one HTML file about saved runs and sweeps. It has their settings (those that differ first), curves with 95 % intervals,
alignment, the first-layer weights of the strongest hidden units as images before and after training, and confusion
matrices: by parity, by the number of odd digits, by digit and place (for the disks: where hidden units switch, and
errors by disk). The file loads nothing else, fits a phone, follows the reader's dark mode, and describes every figure
in words. Equal folders give equal bytes. If something is missing (a checkpoint, a data set), the report omits that part
and says why.

### A page that learns

```sh
dfanp play --out alignment.html
```

The page trains a small network on the disks in the browser, under BP, FA, DFA, sign-symmetric feedback (`usf`) and
Kolen-Pollack side by side. Six scenes each ask a question, run the networks, and compare the answer with what five
seeds gave; dials change the network, the optimizer, B and the labels, and training can stop at the moment when an angle
has been passed. It is one file, which loads nothing and works from a disk, on a phone, in dark mode, from the keyboard
and with a screen reader.

It starts from weights, B and points that the library drew, and its losses and weights are those of `dfanp.Training`
with all points in each step: over 500 steps they differ by less than 1e-6 in float64, for every rule, optimizer and
activation on the page. RMSProp at a large rate is the exception: near a minimum it steps back and forth by a constant
size, rounding errors grow, and runs that differ in the order of a sum diverge.
""".replace("SWEEP_FILE", SWEEP_FILE)
