"""The benchmark: camd beside the least that a server in C can do."""
