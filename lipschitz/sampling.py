"""How much is sampled by default, and what becomes of a number that batches do not divide."""

SEED = 1215
BATCH_SIZE, IMAGENET_BATCH_SIZE = 1024, 32


def samples_drawn(asked: int, batch_size: int) -> int:
    """Samples that an iteration draws: whole batches, at least one."""
    return max(asked // batch_size, 1) * batch_size
