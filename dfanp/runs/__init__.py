"""Single runs: trained from settings, saved in a folder, and read back."""
