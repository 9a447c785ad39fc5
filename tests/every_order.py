"""The model with each set of up to two strangers of each kind at each moment: the tests take the most telling ones."""

import itertools

import pytest

from standins.model.fates import DIVERTED, FATES, HAD_OUR_PORT, MOMENTS, ON_OUR_PORT, STRANGERS
from test_every_order import check_on_each_system, each_fate, each_sequence, is_quick, named

EACH = list(itertools.product(STRANGERS, MOMENTS)) + [HAD_OUR_PORT]
ONE = [(each,) for each in EACH]
TWO = list(itertools.combinations_with_replacement(EACH, 2))
BEFORE_THE_CLIENT = [(each,) for each in EACH if each[1] == MOMENTS[0]]


@each_fate
def test_own_pair_or_right_error_whichever_two_strangers_come(fates):
    check_on_each_system(fates, [()] + (ONE + TWO if is_quick(fates[0]) else BEFORE_THE_CLIENT))


@each_sequence
def test_own_pair_or_right_error_whatever_becomes_of_tries_amid_strangers(fates):
    check_on_each_system(fates, [()] + BEFORE_THE_CLIENT)


@pytest.mark.parametrize("fates", [[fate] for fate in DIVERTED], ids=named)
def test_own_pair_through_a_librarys_relay_amid_strangers_on_any_port(fates):
    on_our_port = list(itertools.product(ON_OUR_PORT, MOMENTS))
    check_on_each_system(fates, [(each,) for each in on_our_port] + list(itertools.product(on_our_port, EACH)))


@pytest.mark.parametrize("fates", [[fate] for fate in FATES if is_quick(fate)], ids=named)
def test_own_pair_or_right_error_amid_a_crowd_that_has_our_port(fates):
    check_on_each_system(fates, [(HAD_OUR_PORT,)], crowd=300)
