"""The declarations of the built-in backbones, one TOML file each; `inception5h.toml` explains the form."""
