#!/bin/sh
# Runs the client as the owner of the mounted folder, so that what it writes there belongs to them. Compose starts it as
# root with what that takes and nothing else; the client itself has no capability, and can get none. Another user than
# root stays who they are.
set -eu
if [ "$(id -u)" != 0 ]; then
  exec client "$@"
fi
exec setpriv --reuid="$(stat -c %u .)" --regid="$(stat -c %g .)" --clear-groups \
  --inh-caps=-all --bounding-set=-all --no-new-privs client "$@"
