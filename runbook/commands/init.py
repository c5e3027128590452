"""``muses-runbook init``: a site file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from runbook.errors import SettingsError
from runbook.site_file import FILE_NAME
from runbook.tongue import _

EXAMPLE = Path(__file__).with_name("example.toml")


@click.command(help=_("Write a site file to start from"), epilog=_("Example: muses-runbook init"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=FILE_NAME)
def init(file: Path) -> None:
    """Write the commented example; never over a file that is there."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(EXAMPLE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise SettingsError(_("exists already and was left as it is"), file=file) from None
    except OSError as error:
        raise SettingsError(error.strerror or "", file=file) from error
    click.echo(_("Wrote {file}. Fill it in, then try: muses-runbook doctor").format(file=file))
