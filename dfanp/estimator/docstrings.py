"""What the docstrings of the estimators share: their parameters, and what is fitted."""

SHARED = """hidden_layer_sizes: widths of the hidden layers.
        rule: the name of a rule, such as "bp", "fa", "dfa" or "kp", or a ``dfanp.Rule``.
        activation: of the hidden layers, a name or a ``dfanp.Activation``; "logistic" is the sigmoid.
        solver: an optimizer, as a text for ``dfanp.optimizers.parse`` such as "adam" or "momentum:momentum=0.95", or
            a subclass of ``dfanp.Optimizer``.
        alpha: the L2 factor: alpha / 2 times the squares of all parameters (biases too), divided by the mini-batch
            size (times the mean of sample_weight), is part of the loss.
        batch_size: the mini-batch size, at most the number of examples; "auto" is 200.
        learning_rate: its schedule, a text such as "constant", "step:every=20" or "cosine:warmup=5" or a
            ``dfanp.Schedule``; one over all epochs takes `max_iter` of them.
        learning_rate_init: the learning rate at first.
        max_iter: the largest number of epochs; each shuffles the examples.
        random_state: seed of weights, B and the order of the examples: equal states give equal bytes.
        tol: training stops when the loss has not fallen by more than `tol` in `n_iter_no_change` epochs.
        verbose: whether to print a line per epoch.
        warm_start: whether ``fit`` continues from the last call of it, with B and the optimizer state, for up to
            `max_iter` further epochs.
        early_stopping: whether to hold out `validation_fraction` of the examples (of a classifier stratified, if possible), and
            to stop when the score on them has not risen by more than `tol` in `n_iter_no_change` epochs. The
            weights and the optimizer state of the best epoch are then restored.
        validation_fraction: see `early_stopping`.
        n_iter_no_change: see `tol` and `early_stopping`.
        feedback: the distribution and structure of B, a text as in ``dfanp.Feedback``.
        bias: whether the layers have biases.
        alignment: whether to measure the gradient alignment after each epoch.
        device, kernels, threads: as in ``dfanp.Backend``.
        dtype: of the arrays while training, "float32" or "float64"."""
FITTED = """n_features_in_, feature_names_in_: of X.
        n_iter_: epochs trained, including those after the best one.
        coefs_, intercepts_: weights (d_{l-1}, d_l) and biases (d_l,) of each layer, NumPy arrays.
        n_layers_, n_outputs_, out_activation_: the number of layers, the input among them; d_L; the function that
            makes predictions of the logits, by scikit-learn's name.
        loss_curve_: mean training loss of each epoch, without the L2 term; the loss of an example is taken before its
            update.
        loss_, best_loss_: the last and the lowest of them.
        alignment_curve_: for each epoch a list with the gradient alignment, lowest layer first; empty without
            `alignment`.
        validation_scores_, best_validation_score_: score on the held-out examples after each epoch, and the best one;
            None without `early_stopping`."""


def documented(kind):
    """Return a class of estimators; its docstring gets what all share in place of {shared} and {fitted}."""
    kind.__doc__ = kind.__doc__.replace("{shared}", SHARED).replace("{fitted}", FITTED)
    return kind
