"""A page that shows in the browser how a small network learns under several rules, from numbers that the library drew.

``page.write("alignment.html")`` writes it: one file that loads nothing. Its mathematics is ``maths.js``.
"""

from ..system.lazy import names_of

__getattr__, __dir__ = names_of(__name__, {})
