"""`python -m featurizer` is the command `featurizer`."""

from featurizer.cli import main

main()
