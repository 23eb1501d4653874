"""`python -m client`: the same as the command `client`."""

from client.cli import main

main(prog_name="client")
