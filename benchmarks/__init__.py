"""The benchmarks: ours beside the peers, in the same run on the same machine."""
