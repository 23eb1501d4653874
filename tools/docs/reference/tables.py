"""The tables of the reference that are kept in its pages."""

from tools.docs.reference import commands as programs
from tools.docs.reference import contract


def commands() -> str:
    """Return the commands of all programs with what each does."""
    return "\n\n".join(
        "\n".join(
            [
                f"**{program}**: {programs.summary(group)}",
                "",
                "| command | what it does |",
                "| --- | --- |",
                *(
                    f"| `{program} {name}` | {programs.summary(command)} |"
                    for name, command in programs.below(group).items()
                ),
            ]
        )
        for program, group in programs.programs().items()
    )


def settings() -> str:
    """Return the tables of the services' settings."""
    from lastlayer.classifier.service.config import ClassifierSettings
    from lastlayer.featurizer.config import FeaturizerSettings
    from lastlayer.rpc.settings import settings_table
    from lastlayer.studio.config import StudioSettings

    return "\n\n".join(
        f"## {title}\n\n{settings_table(kind)}"
        for title, kind in (
            ("featurizer", FeaturizerSettings),
            ("classifier-svc", ClassifierSettings),
            ("studio", StudioSettings),
        )
    )


def networks() -> str:
    """Return the table of the built-in networks."""
    from lastlayer.featurizer.backbones.spec import builtin, builtin_names

    rows = [
        f"| `{spec.name}` | {spec.description} | {spec.preprocessing.width} x {spec.preprocessing.height} "
        f"| {', '.join(f'`{tap.name}`' for tap in spec.taps)} |"
        for spec in map(builtin, builtin_names())
    ]
    return "\n".join(["| name | what | image | taps |", "| --- | --- | --- | --- |", *rows])


def reasons() -> str:
    """Return the table of the reasons of errors; raises ValueError where one does not say what to do."""
    rows = []
    for reason in contract.reasons(contract.files()["lastlayer/v1/types.proto"]):
        metadata = f" Metadata: {reason.metadata}." if reason.metadata else ""
        rows.append(f"| `{reason.name}` | `{reason.code}` | {reason.cause}.{metadata} | {reason.cure} |")
    return "\n".join(["| reason | code | cause | what to do |", "| --- | --- | --- | --- |", *rows])
