"""What the library needs of Python and of the operating system: lazy imports, signals, threads."""
