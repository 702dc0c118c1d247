"""Two rules outside dfanp, as a plugin: ``dfanp parity --plugin tests/plugins/feedback.py --method kolen-pollack``."""

import dfanp
from dfanp import rules

# Feedback through the signs of the weights: Liao, Leibo & Poggio 2016, "uSF".
dfanp.register(dfanp.Rule("sign-symmetric", lambda at: at.delta @ at.xp.sign(at.W.mT)))

# Feedback that learns by the gradient of the weights in whose place it stands, and decays as they do: Kolen & Pollack 1994;
# Akrout et al. 2019, eq. 16 and 17. Use it with --weight-decay.
dfanp.register(
    dfanp.Rule(
        "kolen-pollack",
        signal=lambda at: at.delta @ at.B,
        feedback_shape=rules.next_layer,
        feedback_gradient=lambda at: at.delta.mT @ at.h,
    )
)
