"""One MySQL or MariaDB server: its configuration, its process, its dialect, its sessions.

Sessions go over the unix socket as root without a password: a guest has no network.
"""

import shutil
import subprocess
from pathlib import Path

import pymysql

from base import HOME, REPORT, SOCKETS, Failed, fresh_directory, run, until

MARIADB = shutil.which("mariadbd") is not None
DAEMON = "mariadbd" if MARIADB else "mysqld"
CLIENT = "mariadb" if MARIADB else "mysql"
TEMPLATE = Path("/usr/share/lab/datadir")

START_S_MAX = 180
STOP_S_MAX = 30
REPLICATION_USER, REPLICATION_PASSWORD = "repl", "repl-secret"

# The words that differ between the two families.
REPLICA = "SLAVE" if MARIADB else "REPLICA"
SQL_RUNNING = "Slave_SQL_Running" if MARIADB else "Replica_SQL_Running"
IO_RUNNING = "Slave_IO_Running" if MARIADB else "Replica_IO_Running"

COMMON = """[mysqld]
user = mysql
datadir = {datadir}
socket = {socket}
port = {port}
server-id = {number}
bind-address = 127.0.0.1
pid-file = {home}/pid
log-error = {home}/error.log
log-bin = binlog
relay-log = relay
skip-name-resolve
max-connections = 60
innodb-buffer-pool-size = 64M
sync-binlog = 1
myisam-recover-options = OFF
"""
# Commits that are not written out as they happen, as far as the server can do so when it is told:
# a backup that forgets to tell it is noticed.
OF_MARIADB = """log-slave-updates
innodb-flush-log-at-trx-commit = 2
binlog-format = ROW
gtid-strict-mode = 1
innodb-log-file-size = 16M
"""
OF_MYSQL = """log-replica-updates
innodb-flush-log-at-trx-commit = 0
mysqlx = OFF
innodb-redo-log-capacity = 16M
"""
GTID_ON = "" if MARIADB else "gtid-mode = ON\nenforce-gtid-consistency = ON\n"
# Without GTIDs a parallel applier leaves gaps that no file and position can describe.
GTID_OFF = "" if MARIADB else "gtid-mode = OFF\nreplica-parallel-workers = 1\n"


class Server:
    def __init__(self, name, number, datadir, gtid=True, extra=""):
        self.name, self.number, self.datadir, self.gtid = name, number, datadir, gtid
        self.port = 3310 + number
        self.socket = SOCKETS / f"{name}.sock"
        self.home = fresh_directory(HOME / "servers" / name)
        self.extra = extra
        self.process = None

    def fill(self):
        """An empty data directory, copied from the one made when the image was built."""
        self.datadir.mkdir(parents=True, exist_ok=True)
        run("cp", "-a", f"{template()}/.", self.datadir)
        self.own(self.datadir)

    def own(self, path):
        run("chown", "-R", "mysql:", path)

    def start(self):
        self.own(self.home)
        text = COMMON.format(**vars(self)) + (OF_MARIADB if MARIADB else OF_MYSQL)
        text += (GTID_ON if self.gtid else GTID_OFF) + self.extra
        (self.home / "my.cnf").write_text(text)
        self.process = subprocess.Popen(
            [DAEMON, f"--defaults-file={self.home}/my.cnf"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(START_S_MAX, self.answers, f"the server '{self.name}' to start")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise Failed(f"the server '{self.name}' did not start: {self.last_errors()}")
        try:
            self.session().close()
            return True
        except pymysql.Error:
            return False

    def last_errors(self):
        lines = self.log().splitlines()
        return " | ".join([line for line in lines if "ERROR" in line][-3:] or lines[-3:])

    def log(self):
        path = self.home / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self):
        """A world's servers are thrown away: they get no time to shut down in good order."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_S_MAX)
        self.keep_log()

    def keep_log(self):
        REPORT.mkdir(parents=True, exist_ok=True)
        (REPORT / f"{self.name}.log").write_text(self.log()[-200_000:])

    def session(self, **more):
        return pymysql.connect(
            unix_socket=str(self.socket),
            user="root",
            autocommit=True,
            cursorclass=pymysql.cursors.DictCursor,
            **more,
        )

    def sql(self, *statements):
        """Runs statements in one session; the rows of the last one."""
        with self.session() as session, session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def value(self, statement):
        return next(iter(self.sql(statement)[0].values()))

    def feed(self, text):
        """What an operator does: `client < file`. Returns the client's exit code and words."""
        done = subprocess.run(
            [CLIENT, "--no-defaults", f"--socket={self.socket}", "--user=root"],
            input=text,
            text=True,
            capture_output=True,
            timeout=120,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def replica_status(self):
        rows = self.sql(f"SHOW {REPLICA} STATUS")
        return rows[0] if rows else None

    def applies(self):
        status = self.replica_status()
        return status is not None and status[SQL_RUNNING] == "Yes"

    def make_replica_of(self, source, by_gtid=True, delay_s=0):
        self.sql(change_source(source, by_gtid, delay_s), f"START {REPLICA}")
        until(60, self.applies, f"'{self.name}' to replicate")


def change_source(source, by_gtid, delay_s):
    if MARIADB:
        place = (
            "MASTER_USE_GTID=slave_pos"
            if by_gtid
            else ("MASTER_USE_GTID=no, MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=4")
        )
        return (
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={source.port}, "
            f"MASTER_USER='{REPLICATION_USER}', MASTER_PASSWORD='{REPLICATION_PASSWORD}', "
            f"MASTER_CONNECT_RETRY=2, MASTER_DELAY={delay_s}, {place}"
        )
    place = (
        "SOURCE_AUTO_POSITION=1"
        if by_gtid
        else ("SOURCE_AUTO_POSITION=0, SOURCE_LOG_FILE='binlog.000001', SOURCE_LOG_POS=4")
    )
    return (
        f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={source.port}, "
        f"SOURCE_USER='{REPLICATION_USER}', SOURCE_PASSWORD='{REPLICATION_PASSWORD}', "
        "SOURCE_SSL=1, SOURCE_CONNECT_RETRY=2, SOURCE_RETRY_COUNT=1000, "
        f"SOURCE_DELAY={delay_s}, {place}"
    )


def template():
    """A guest's image brings one along; on a host it is made the first time."""
    if TEMPLATE.exists():
        return TEMPLATE
    made = HOME / "template"
    if not made.exists():
        if MARIADB:
            run(
                "mariadb-install-db",
                "--no-defaults",
                "--force",
                "--user=mysql",
                f"--datadir={made}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
            )
        else:
            run(
                DAEMON,
                "--no-defaults",
                "--initialize-insecure",
                "--user=mysql",
                f"--datadir={made}",
                timeout=300,
            )
            (made / "auto.cnf").unlink(missing_ok=True)
    return made


def version():
    """'MariaDB 10.11.6' or 'MySQL 9.7.0', for titles."""
    words = run(DAEMON, "--version").split()
    number = words[words.index("Ver") + 1].split("-")[0]
    return f"{'MariaDB' if MARIADB else 'MySQL'} {number}"
