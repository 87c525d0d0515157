"""One module a peer, each the program of a worker process: ``python -m tests.benchmarks.peers.NAME``."""
