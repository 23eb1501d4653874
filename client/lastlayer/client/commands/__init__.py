"""The commands of the command line, a module each; they import what they need when they run."""
