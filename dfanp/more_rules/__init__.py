"""Learning rules that take more than one line; each is one file, written against ``dfanp.gradients`` alone."""
