"""How much memory this process has had at most."""

import resource


def peak_memory():
    """In bytes, since the process began."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
