"""Our engine and its peers side by side: ``make bench``, or ``python -m tests.benchmarks --help``.

One command runs everything once: the same GGUF, the same prompts, the same number of threads, alternating, each peer in a
process of its own. It knows nothing of how a peer works; `peers/` holds one module for each.
"""
