"""The command `client`, from its first moment: Ctrl-C while its modules are being read is a sentence as well."""

import atexit
import gc
import sys

__all__ = ["main"]

# What is imported stays. To look through it for garbage, while it comes and once more at the end, takes a fifth of the
# time that a short command takes. Where there is a server to talk to, garbage is looked for again: `interface.server`.
gc.disable()
atexit.register(gc.freeze)
try:
    from lastlayer.client.commands.program import main
except KeyboardInterrupt:
    sys.stderr.write("Interrupted.\n")
    sys.exit(130)  # `INTERRUPTED` of the commands' options, which may not be there yet

if __name__ == "__main__":
    main(prog_name="client")
