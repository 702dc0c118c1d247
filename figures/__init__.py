"""Figures from records alone; nothing here trains. Installed as ``dfanp_figures``; ``python -m figures`` redraws those of this folder."""
