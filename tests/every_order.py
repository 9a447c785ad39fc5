"""More tests on the model: one or two strangers, at each moment, and three attempts, with each combination of fates."""

import itertools

import pytest

from standins.model.fates import FATES, KINDS, MOMENTS, STRANGERS
from standins.model.world import AF_INET, AF_INET6
from test_every_order import check_on_each_system, each_fate, each_row, is_quick

EACH = list(itertools.product(STRANGERS, MOMENTS))
ONE = [(each,) for each in EACH]
TWO = list(itertools.combinations_with_replacement(EACH, 2))
BEFORE_THE_CLIENT = [each for each in ONE if each[0][1] == MOMENTS[0]]


@each_fate
def test_pair_is_ours_or_error_is_right_with_two_strangers(fates):
    check_on_each_system(fates, ONE + TWO if is_quick(fates[0]) else BEFORE_THE_CLIENT)


@each_row
def test_pair_is_ours_or_error_is_right_in_a_row_with_strangers(fates):
    check_on_each_system(fates, BEFORE_THE_CLIENT)


@pytest.mark.parametrize("family", [AF_INET, AF_INET6])
@pytest.mark.parametrize("first", KINDS, ids=lambda fate: fate.name)
def test_pair_is_ours_or_error_is_right_if_three_attempts_differ(first, family):
    for others in itertools.product(KINDS, KINDS):
        check_on_each_system((first,) + others, family=family)


def test_pair_is_ours_or_error_is_right_with_a_crowd():
    for fate in FATES:
        if is_quick(fate):
            check_on_each_system([fate], crowd=300)
