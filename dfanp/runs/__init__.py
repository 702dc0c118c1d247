"""One run: trained from its settings, in a folder of its own, and read back."""
