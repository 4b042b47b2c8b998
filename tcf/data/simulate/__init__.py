"""A simulated world whose right answer is known: titles that carry taste, users who follow it.

An item's taste is a vector, the sum of three independent parts whose shares of the variance are the
arguments ``text_share`` and ``word_order_share``: what the words of its title tell, what only their
order tells, and what no title tells (`tcf.data.simulate.titles`). Users draw items one after the
other from a softmax over taste and popularity (`tcf.data.simulate.law`); the law of the next item
is known, and with it the best ranking that exists: `World.oracle`.
"""

from tcf._util import lazy_exports

_HOMES = {
    "Oracle": "world",
    "World": "world",
    "simulate": "build",
    "simulate_world": "build",
}
__all__ = ["Oracle", "World", "simulate", "simulate_world"]
__getattr__ = lazy_exports(__name__, _HOMES)
