"""The command `client`, from its first moment: Ctrl-C while its modules are being read is a sentence as well."""

import sys

__all__ = ["main"]

try:
    from lastlayer.client.commands.program import main
except KeyboardInterrupt:
    sys.stderr.write("Interrupted.\n")
    sys.exit(130)  # `INTERRUPTED` of the commands' options, which may not be there yet

if __name__ == "__main__":
    main(prog_name="client")
