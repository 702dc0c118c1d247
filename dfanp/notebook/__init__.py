"""Training in a notebook: its progress, and what cells show."""
