"""The way over TCP: encrypted or refused, and plain only where the operator wrote so."""

import tool
from base import expect
from case_backup import XFS_BY_GTID
from tool import config, run_tool

REFUSED = 3
USER = f"{tool.USER}_tcp"


def over_tcp(world):
    """An audit over TCP; it looks at everything that a backup would."""
    server = world.primary
    granted = ", ".join(tool.PRIVILEGES)
    server.sql(
        f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{tool.PASSWORD}'",
        f"GRANT {granted} ON *.* TO {USER}@'127.0.0.1'",
    )
    try:
        return {"unsaid": audit(server), "off": audit(server, tls="off")}
    finally:
        server.sql(f"DROP USER {USER}@'127.0.0.1'")


def audit(server, **tls):
    """Its exit code: 0, unless encryption was not waived and the server offers none."""
    path = config(server, user=USER)
    lines = path.read_text().replace(f'socket = "{server.socket}"', "")
    reach = f'host = "localhost"\nport = {server.port}\n'
    reach += "".join(f'{key} = "{value}"\n' for key, value in tls.items())
    path.write_text(lines.replace("[server]\n", f"[server]\n{reach}"))
    done = run_tool("audit", path)
    wanted = 0 if tls or encrypts(server) else REFUSED
    expect(done.code == wanted, f"exit {done.code} instead of {wanted}: {done.words()}")
    told = "\n".join(done.out)
    expect(done.code == 0 or ("hint:" in told and "TLS" in told), f"unclear: {done.words()}")
    return done.code


def encrypts(server):
    """Whether the server has a certificate: newer ones make their own."""
    found = server.sql("SHOW GLOBAL VARIABLES LIKE 'have_ssl'")
    return not found or found[0]["Value"] == "YES"


over_tcp.kind = XFS_BY_GTID
CASES = [over_tcp]
