"""Figures, drawn from records only.

Installed as ``dfanp_figures``; ``python -m figures`` redraws those of this folder.
"""
