"""How a person signs: with an SSH key of their own, or with the one key of the site (HMAC).

SSH is signed and verified by OpenSSH's ``ssh-keygen -Y``: the machine that applies holds only public keys, so it cannot
make an approval by itself. HMAC proves that whoever signed could read the key, and nothing about who that was: the
machine that applies can read it too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import stat
import subprocess
import tempfile
from pathlib import Path

import msgspec

from runbook.errors import PlanError
from runbook.plans.plan_file import Approval, Claim
from runbook.redact import masked_text
from runbook.settings import ApprovalSettings, Secret
from runbook.text import text

#: What the signature is for: one of a mail or of a commit is not taken for an approval.
NAMESPACE = "muses-runbook-plan"
#: A person may be asked for a passphrase, or to touch a key.
SIGNING, VERIFYING = 120, 20
_SHORTEST_KEY = 16


def sign(claim: Claim, settings: ApprovalSettings, key: Path | None = None) -> Approval:
    """Sign a claim in the site's way; ``key`` is the person's SSH key. Raises PlanError or SettingsError."""
    if settings.method == "hmac" and settings.key is not None:
        return Approval(claim=claim, method="hmac", signature=_hmac(claim, settings.key))
    if settings.method == "ssh" and key is not None:
        command = ("-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key.expanduser()))
        return Approval(claim=claim, method="ssh", signature=_ssh_keygen(command, _message(claim), SIGNING))
    if settings.method == "ssh":
        raise PlanError(text("Say with which SSH key you sign: --key ~/.ssh/id_ed25519"))
    raise PlanError(text("This site cannot approve plans: set policy.approval.method in the site file"))


def verify(approval: Approval, settings: ApprovalSettings) -> str:
    """Prove a signature in the site's way and return what tells its key from others.

    Raises PlanError where it is not proven, for whatever reason.
    """
    if approval.method != settings.method:
        raise PlanError(text("It is signed with {method}, which this site does not take", method=approval.method))
    if settings.method == "hmac" and settings.key is not None:
        if not hmac.compare_digest(_hmac(approval.claim, settings.key), approval.signature):
            raise PlanError(text("The signature was not made with the site's key over this approval"))
        return "hmac"
    if settings.method == "ssh" and settings.signers is not None:
        return _verified_by_ssh(approval, settings.signers)
    raise PlanError(text("This site cannot approve plans: set policy.approval.method in the site file"))


def _message(claim: Claim) -> bytes:
    return msgspec.json.encode(claim, order="sorted")


def _hmac(claim: Claim, key: Secret) -> str:
    if key.file is not None and _is_open(key.file, stat.S_IROTH | stat.S_IWOTH):
        raise PlanError(text("Everybody can read the key {file}: whoever signs with it proves nothing", file=key.file))
    secret = key.reveal()
    if len(secret) < _SHORTEST_KEY:
        raise PlanError(text("The key of policy.approval.key is shorter than {least} characters", least=_SHORTEST_KEY))
    return hmac.new(secret.encode(), _message(claim), hashlib.sha256).hexdigest()


def _is_open(file: Path, to: int) -> bool:
    """Whether everybody has one of these rights on the file."""
    try:
        return bool(file.stat().st_mode & to)
    except OSError:
        return False  # reading it says what is wrong


def _verified_by_ssh(approval: Approval, signers: Path) -> str:
    """The hash of the public key that signed, once ssh-keygen says that it is the named person's."""
    if _is_open(signers, stat.S_IWOTH):
        raise PlanError(text("Everybody can write {file}: what it says of who may sign proves nothing", file=signers))
    with tempfile.NamedTemporaryFile("w", suffix=".sig") as signature:
        signature.write(approval.signature)
        signature.flush()
        who = ("-I", approval.claim.name, "-n", NAMESPACE, "-f", str(signers), "-s", signature.name)
        _ssh_keygen(("-Y", "verify", *who), _message(approval.claim), VERIFYING)
    return _public_key(approval.signature)


def _ssh_keygen(arguments: tuple[str, ...], message: bytes, seconds: float) -> str:
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments], input=message, capture_output=True, timeout=seconds, check=False
        )
    except FileNotFoundError:
        raise PlanError(text("ssh-keygen is not here: install the OpenSSH client")) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise PlanError(text("ssh-keygen did not answer: {error}", error=type(error).__name__)) from None
    if done.returncode:
        said = masked_text((done.stderr or done.stdout).decode(errors="replace").strip())
        raise PlanError(text("ssh-keygen says: {words}", words=said or str(done.returncode)))
    return done.stdout.decode(errors="replace")


def _public_key(armoured: str) -> str:
    """The public key in an SSH signature: after the magic and the version, as a string with its length."""
    try:
        body = "".join(line for line in armoured.splitlines() if not line.startswith("-----"))
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise PlanError(text("The signature cannot be read")) from None
    length = int.from_bytes(blob[10:14], "big")
    key = blob[14 : 14 + length]
    if not blob.startswith(b"SSHSIG") or len(key) != length or not key:
        raise PlanError(text("The signature cannot be read"))
    return hashlib.sha256(key).hexdigest()
