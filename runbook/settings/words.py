"""The words that every table of the site file is written in: sizes, secrets, logins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import ClassVar

import msgspec

from runbook import redact
from runbook.errors import SettingsError


class Size(int):
    """Bytes in the site file, written as people write them: ``"4 MiB"``."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the site file: unknown keys are refused."""


class Secret(Strict, frozen=True, kw_only=True):
    """Where a secret is, never what it is: exactly one of an environment variable, a file, a command."""

    EXPECTED: ClassVar[str] = 'a reference such as { file = "/path" }, { env = "NAME" } or { command = ["…"] }'

    env: str | None = None
    file: Path | None = None
    command: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.env, self.file, self.command)) != 1:
            raise ValueError("give exactly one of env, file, command")

    def reveal(self) -> str:
        """The secret itself, learnt by the redaction so that it is masked wherever it shows up.

        Raises SettingsError naming the reference, never the value.
        """
        value = self._read().strip("\r\n")
        if not value:
            raise SettingsError(f"the secret in {self.reference} is empty")
        redact.learn(value)
        return value

    @property
    def reference(self) -> str:
        """How to name it to a person."""
        if self.env is not None:
            return f"variable {self.env}"
        return f"file {self.file}" if self.file is not None else f"command {self.command[0]}"  # type: ignore[index]

    def _read(self) -> str:
        try:
            if self.env is not None:
                return os.environ[self.env]
            if self.file is not None:
                return self.file.read_text()
            done = subprocess.run(list(self.command or ()), capture_output=True, text=True, timeout=20, check=True)
            return done.stdout
        except KeyError:
            raise SettingsError(f"the secret's variable {self.env} is not set") from None
        except (OSError, subprocess.SubprocessError) as error:
            raise SettingsError(f"the secret in {self.reference} cannot be read ({type(error).__name__})") from None


class Login(Strict, frozen=True, kw_only=True):
    """A user and where its password is."""

    user: str
    password: Secret | None = None


class Keys(Strict, frozen=True, kw_only=True):
    """An access key pair of an object store; both absent means the machine's own credentials."""

    access_key: Secret | None = None
    secret_key: Secret | None = None
