# SPDX-License-Identifier: MIT
"""Ratios of repeated measurements: median, spread, interval of the median, verdict.

No distribution is assumed. The rounds of a benchmark are few and their noise is skewed (a disturbed
round is always slower), so the interval of the median comes from order statistics: the median lies
between the k-th smallest and the k-th largest value with a probability that depends on the number
of values alone.
"""

import math
import statistics
from dataclasses import dataclass

CONFIDENCE = 0.95
CONFIDENCE_MIN = 0.9  # below this an interval supports no verdict: fewer than five rounds
PARITY = 1.03  # a ratio below this is not called a difference


def interval_coverage(count, rank):
    """Probability that the median lies between the rank-th smallest and largest of count values."""
    return 1 - 2 * sum(math.comb(count, i) for i in range(rank)) / 2**count


def interval_rank(count):
    """The narrowest interval that covers the confidence; the whole range if none does."""
    rank = 1
    while rank < (count + 1) // 2 and interval_coverage(count, rank + 1) >= CONFIDENCE:
        rank += 1
    return rank


@dataclass(frozen=True)
class Ratio:
    """What the ratios of all rounds say together."""

    median: float
    low: float  # interval of the median
    high: float
    spread: float  # half the distance between the quartiles, relative to the median
    values: tuple

    @staticmethod
    def of(values):
        ordered = sorted(values)
        rank = interval_rank(len(ordered))
        median = statistics.median(ordered)
        quartiles = statistics.quantiles(ordered, n=4, method="inclusive")
        spread = (quartiles[2] - quartiles[0]) / 2 / median
        return Ratio(median, ordered[rank - 1], ordered[-rank], spread, tuple(values))

    def inverse(self):
        return Ratio.of([1 / value for value in self.values])

    def verdict(self):
        """Of a cost, where less is better; a rate asks its inverse."""
        count = len(self.values)
        if interval_coverage(count, interval_rank(count)) < CONFIDENCE_MIN:
            return "too few"
        if self.high < PARITY:
            return "parity"
        return "undecided" if self.low < PARITY else "slower"
