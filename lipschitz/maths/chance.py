"""Whether a number of correct predictions is more than chance gives."""

from scipy.special import betainc

FEWEST = 20  # predictions that tell something
DOUBTFUL = 0.01  # what guessing reaches with a larger probability proves nothing
CERTAIN = 1e-3  # probability of a difference that is not one


def at_least(successes: int, trials: int, probability: float) -> float:
    """The probability of so many successes or more (the tail of the binomial distribution)."""
    if successes == 0:
        return 1.0
    return float(betainc(successes, trials - successes + 1, probability))


def is_guessing(right: int, number: int, num_labels: int) -> bool:
    """Whether guessing among the classes gets as many right, or may by chance."""
    return number >= FEWEST and at_least(right, number, 1 / num_labels) > DOUBTFUL


def is_better(gained: int, lost: int) -> bool:
    """The sign test: `gained` of those that changed are more than a fair coin gives."""
    return at_least(gained, gained + lost, 0.5) <= CERTAIN


def sign_test(higher: int, lower: int) -> float:
    """The p-value of the two-sided sign test: how likely a fair coin is as uneven, or more.

    Of two networks, say: on so many images the second scores higher, and lower.
    """
    return min(2 * at_least(max(higher, lower), higher + lower, 0.5), 1.0)
