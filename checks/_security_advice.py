"""What a person decides of the rows SEC-nn, with the exact commands."""

from __future__ import annotations

from runbook.text import text

WIRES = text(
    "Set TLS at the server first, then the address in the site file: `https://`, `broker.tls = true` with the port of "
    'amqps, `database.sslmode = "verify-full"` with `sslrootcert`; `muses-runbook doctor` shows that it works'
)
SESSIONS = text(
    "`ALTER SYSTEM SET ssl = on` with ssl_cert_file and ssl_key_file, then `SELECT pg_reload_conf()`. Give each client "
    "sslmode=verify-full; when none comes without TLS any more, write hostssl for host in pg_hba.conf"
)
CERTIFICATES = text(
    "Renew it where it was made, put it and its key in place, reload the server (`SELECT pg_reload_conf()`, `systemctl "
    "reload …`), and look again. Then find why nothing renewed it by itself"
)
HASHING = text(
    "`ALTER SYSTEM SET password_encryption = 'scram-sha-256'; SELECT pg_reload_conf()`. As a superuser: `SELECT "
    "rolname FROM pg_authid WHERE rolpassword LIKE 'md5%'`; give each a new password with \\password in psql, then "
    "write scram-sha-256 for md5 in pg_hba.conf"
)
ROLES = text(
    "Ask who made the role. If it may not be: `ALTER ROLE … NOLOGIN` (it keeps what it owns), see that nothing misses "
    "it, then `REASSIGN OWNED`, `DROP ROLE`. Too much: `ALTER ROLE … NOSUPERUSER NOCREATEROLE`, `REVOKE … FROM …`. If "
    "it may: security.superusers or security.login_roles"
)
ACCOUNTS = text(
    "RabbitMQ: `rabbitmqctl delete_user guest`. PostgreSQL: see row SEC-07. MinIO: new MINIO_ROOT_USER and "
    "MINIO_ROOT_PASSWORD, start it again, and look through its access log for who came before you"
)
RULES = text(
    "`SELECT * FROM pg_hba_file_rules` shows the lines. Write scram-sha-256 for trust, password, ident and md5, "
    "hostssl for host, the servers' addresses for everybody's; `SELECT pg_reload_conf()`, and keep a session open "
    "until another one has come in. The file counts as it stands, loaded or not"
)
PUBLIC = text(
    "See who used it first: it may be how a service works. Then `REVOKE CREATE ON SCHEMA public FROM PUBLIC`, `REVOKE "
    "ALL ON TABLE … FROM PUBLIC`, and grant to the roles that need it, by name"
)
BUCKETS = text(
    "`aws s3api put-public-access-block --bucket B --public-access-block-configuration BlockPublicAcls=true,"
    "IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true`, `put-bucket-versioning "
    "--versioning-configuration Status=Enabled`, `put-bucket-encryption`. Was it open? The access log says who read"
)
CREDENTIALS = text(
    "What others could read is known to others: change the credential first, then `chmod 600` the file, or write where "
    'it is ({{ file = "/…" }}, {{ env = "…" }}, {{ command = ["vault", …] }}) in its place. The site file: `chmod go-w`'
)
POWERS = text(
    '`muses-runbook policy explain ROW --env ENV` says why it acts. Write `policy.high = "ask"`, take the row out of '
    "policy.rows or name the risks of the window; for identities, `muses-runbook grants` prints what each needs, and "
    "`REVOKE … FROM …` takes the rest. What is meant to be so: security.accepted, with the reason"
)
