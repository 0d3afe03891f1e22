# SPDX-License-Identifier: MIT
"""Ratios of repeated measurements: median, spread, interval of the median, verdict.

No distribution is assumed. The rounds of a benchmark are few and their noise is skewed (a disturbed
round is always slower), so the interval of the median comes from order statistics: the median lies
between the k-th smallest and the k-th largest value with a probability that depends on the number
of values alone. A ratio is formed within a round, of samples that were taken right after each
other, and only then the median over the rounds.
"""

import math
import statistics
from dataclasses import dataclass

CONFIDENCE = 0.95
CONFIDENCE_MIN = 0.9  # below this an interval supports no verdict: fewer than five rounds
PARITY = 1.03  # a ratio below this is not called a difference
UNDECIDED = "undecided: the interval contains 1, or is wider than the median is away from 1"


def interval_coverage(count, rank):
    """Probability that the median lies between the rank-th smallest and largest of count values."""
    return 1 - 2 * sum(math.comb(count, i) for i in range(rank)) / 2**count


def interval_rank(count):
    """The narrowest interval that covers the confidence; the whole range if none does."""
    rank = 1
    while rank < (count + 1) // 2 and interval_coverage(count, rank + 1) >= CONFIDENCE:
        rank += 1
    return rank


def ratio_digits(value):
    """Two digits, three of what they would make nothing of."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def coverage_text(count):
    """With which probability an interval over so many rounds covers the median."""
    return f"{100 * interval_coverage(count, interval_rank(count)):.1f} %"


@dataclass(frozen=True)
class Ratio:
    """What the ratios of all rounds say together."""

    median: float
    low: float  # interval of the median
    high: float
    count: int  # of rounds

    @staticmethod
    def of(values):
        """None of nothing."""
        ordered = sorted(values)
        if not ordered:
            return None
        rank = interval_rank(len(ordered))
        return Ratio(statistics.median(ordered), ordered[rank - 1], ordered[-rank], len(ordered))

    def interval_text(self):
        return f"{ratio_digits(self.low)}-{ratio_digits(self.high)}"

    def is_enough(self):
        return interval_coverage(self.count, interval_rank(self.count)) >= CONFIDENCE_MIN

    def is_undecided(self):
        """Whether more or less than 1 cannot be told: see UNDECIDED."""
        is_wide = self.high - self.low > abs(self.median - 1)
        return not self.is_enough() or is_wide or self.low <= 1 <= self.high

    def verdict(self, limit=PARITY):
        """Whether a cost is below the limit: what holds has to hold up to the upper bound, however
        wide the interval is."""
        if not self.is_enough():
            return "too few"
        if self.high < limit:
            return "holds"
        return "undecided" if self.low < limit else "fails"


def ratio_text(ratio):
    """With three digits, for a mean; "failed" of None."""
    return f"{ratio.median:.3f} ({ratio.interval_text()})" if ratio else "failed"


def paired(samples, field, server, reference):
    """The ratios of two servers, round by round; rounds in which either failed are left out."""
    rounds = zip(samples[server], samples[reference])
    return [mine[field] / other[field] for mine, other in rounds if mine and other]


def median_of(samples, field, server):
    """The median of the rounds, or None if each of them failed."""
    values = [sample[field] for sample in samples[server] if sample]
    return statistics.median(values) if values else None


def best_of(samples, field, servers, largest=False):
    """The server that is better than the others round by round: of two floors the one that is
    harder to reach. None if every sample failed."""
    best = None
    for server in servers:
        if best is None or median_of(samples, field, best) is None:
            best = server
            continue
        ratio = Ratio.of(paired(samples, field, server, best))
        if ratio and (ratio.median > 1 if largest else ratio.median < 1):
            best = server
    return best if best and median_of(samples, field, best) is not None else None


def geometric_mean(rows):
    """Of rows that each have a ratio a round, or None where it failed: the mean of each round."""
    rounds = ([ratio for ratio in ratios if ratio] for ratios in zip(*rows))
    return Ratio.of([statistics.geometric_mean(ratios) for ratios in rounds if ratios])
