"""Python and the operating system: lazy imports, signals, threads."""
