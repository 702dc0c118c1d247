"""Analysis of runs and trained networks: intervals over seeds, probes of layers, confusion of classes."""
