"""The command `client`, from its first moment: Ctrl-C while its modules are being read is a sentence as well."""

import gc
import sys

__all__ = ["main"]

# What is imported stays: to look through it for garbage takes a tenth of the time that a short command takes. It is
# enabled again once there is a server to talk to, see `commands.interface.server`.
gc.disable()
try:
    from lastlayer.client.commands.program import main
except KeyboardInterrupt:
    sys.stderr.write("Interrupted.\n")
    sys.exit(130)  # `INTERRUPTED` of the commands' options, which may not be there yet

if __name__ == "__main__":
    main(prog_name="client")
