"""The model with every set of up to two strangers of each kind at each moment: the tests take the most telling ones."""

import itertools

from standins.model import MOMENTS, STRANGERS
from test_every_order import check_on_each_system, each_fate

EACH = list(itertools.product(STRANGERS, MOMENTS))
SETS = [()] + [(each,) for each in EACH] + list(itertools.combinations_with_replacement(EACH, 2))


@each_fate
def test_own_pair_or_the_right_error_in_time_whichever_two_strangers_come_and_when(fate):
    check_on_each_system(fate, SETS)
