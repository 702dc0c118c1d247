"""The command `dfanp`: one thin module per command."""
