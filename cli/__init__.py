"""The command `dfanp`: one thin module a command."""
