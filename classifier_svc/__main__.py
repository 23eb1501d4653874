"""`python -m classifier_svc` is the command `classifier-svc`."""

from classifier_svc.cli import main

main()
