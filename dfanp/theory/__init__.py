"""Theory that can stand beside a simulation: exact statements about what a training does.

online    the equations of online learning, teacher and student (Saad & Solla 1995; Refinetti et al. 2021)
linear    deep linear networks under DFA (Refinetti et al. 2021), and a conservation law (Robertson & Koyejo 2024)
kernels   networks of infinite width (Cho & Saul 2009; Williams 1998; Jacot et al. 2018), and ridge regression with them
"""

from ..system.lazy import names_of

__getattr__, __dir__ = names_of(__name__, {})
