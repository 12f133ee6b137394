"""The background class of ImageNet: of networks of 1001 classes the first, others lack it."""

WITHOUT_BACKGROUND, WITH_BACKGROUND = 1000, 1001  # classes of ImageNet's networks


def first_class(num_labels: int) -> int:
    """The CLASS of a network's label 0: a network of 1000 labels has no background."""
    return 1 if num_labels == WITHOUT_BACKGROUND else 0


def shift(before: int, now: int) -> int:
    """What is added to the labels of one network to get another's; they have so many classes.

    It is 0, but for networks of ImageNet of which one alone has the background.
    """
    if {before, now} != {WITHOUT_BACKGROUND, WITH_BACKGROUND}:
        return 0
    return first_class(before) - first_class(now)
