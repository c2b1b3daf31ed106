"""holdstill as its operator uses it: a config file, an option file, a process, an exit code.

Two binaries: the released one, and the one built with `wrong-designs`, which can be told to be
wrong (HOLDSTILL_WRONG) or to hold still at a point of its run (HOLDSTILL_HOLD_AT).
"""

import contextlib
import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path

from base import BACKUPS, HOME, PAYLOAD, STATE, Failed, NotRun, expect
from server import MARIADB

RELEASED = PAYLOAD / "holdstill"
WRONG = PAYLOAD / "holdstill-wrong"
CONFIGS = HOME / "config"

USER, PASSWORD = "holdstill", "hold-secret"
# The least that is needed, and nothing more: what is tested is what the README asks for.
PRIVILEGES = (
    ("RELOAD", "BINLOG MONITOR", "SLAVE MONITOR", "REPLICATION SLAVE ADMIN", "PROCESS")
    if MARIADB
    else ("RELOAD", "REPLICATION CLIENT", "REPLICATION_SLAVE_ADMIN", "PROCESS")
)

BACKUP_S_MAX = 180
HOLD_S_MAX = 60
FILLING = 4096  # what a pipe takes whole or not at all, so that none of it stays free
BEYOND_THE_END = 9_999  # a number that no act has

ALL = []  # every process that was started


def create_user(server, user=USER, without=()):
    granted = [name for name in PRIVILEGES if name not in without]
    server.sql(
        f"CREATE USER {user}@localhost IDENTIFIED BY '{PASSWORD}'",
        f"GRANT {', '.join(granted)} ON *.* TO {user}@localhost",
    )


def config(server, user=USER, password=PASSWORD, raw="", **sections):
    """Writes a config for one server; keyword sections overlay the usual ones. Its path."""
    CONFIGS.mkdir(parents=True, exist_ok=True)
    option_file = CONFIGS / "client.cnf"
    option_file.unlink(missing_ok=True)
    option_file.touch(mode=0o600)
    option_file.write_text(f"[client]\nuser={user}\npassword={password}\n")
    settings = {
        "": {"state_dir": str(STATE)},
        "server": {"socket": str(server.socket), "option_file": str(option_file)},
        "lock": {"wait_ms_max": 10_000, "hold_ms_max": 60_000, "freeze": "auto"},
        "snapshot": {"size": "512MiB"},
        "destination": {"directory": str(BACKUPS)},
    }
    for name, overlay in sections.items():
        settings.setdefault(name if name != "top" else "", {}).update(overlay)
    path = CONFIGS / "holdstill.toml"
    path.write_text("\n".join(map(_section, settings.items())) + raw)
    return path


def _section(item):
    name, values = item
    lines = [f"[{name}]"] if name else []
    return "\n".join(lines + [f"{key} = {json.dumps(value)}" for key, value in values.items()])


class Run:
    """One process of holdstill, from start to end. `out` and `err` are lists of lines."""

    def __init__(self, command, config_path, binary=RELEASED, **environment):
        if not binary.exists():
            raise NotRun(f"there is no '{binary.name}' in the payload")
        STATE.mkdir(parents=True, exist_ok=True)
        BACKUPS.mkdir(exist_ok=True)
        self.before = published()
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [str(binary), *_told_by_line(command), "--config", str(config_path)],
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            **self.streams(),
            env=os.environ | {"LC_ALL": "C.UTF-8"} | environment,
            start_new_session=True,
        )
        ALL.append(self)
        self.out, self.err = [], []
        pairs = ((self.process.stdout, self.out), (self.process.stderr, self.err))
        self.readers = [
            threading.Thread(target=_gather, args=pair, daemon=True) for pair in pairs if pair[0]
        ]
        for reader in self.readers:
            reader.start()

    def streams(self):
        """Where both streams lead."""
        return {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    def wait(self, timeout=BACKUP_S_MAX):
        try:
            self.code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed(f"holdstill did not end within {timeout} s: {self.words()}") from None
        self.seconds = time.monotonic() - self.began
        for reader in self.readers:
            reader.join(2)  # a child that outlives a killed run may still hold the pipe
        return self

    def words(self):
        return " | ".join(self.out[-2:] + self.err[-6:])[-700:]

    def ended(self, code):
        expect(self.code == code, f"exit {self.code} instead of {code}: {self.words()}")
        return self

    def wait_until_held(self, word):
        deadline = time.monotonic() + HOLD_S_MAX
        while not any(f"holding at {word}" in line for line in self.err):
            if self.process.poll() is not None:
                raise Failed(f"never held at '{word}': {self.wait().words()}")
            if time.monotonic() > deadline:
                self.process.kill()
                raise Failed(f"not at '{word}' after {HOLD_S_MAX} s: {self.words()}")
            time.sleep(0.05)
        return self

    def published(self):
        """The one backup that this run published."""
        new = sorted(published() - self.before)
        expect(len(new) == 1, f"{len(new)} new backups instead of one: {self.words()}")
        return BACKUPS / new[0]

    def window(self):
        """waited, locked, released: milliseconds, as the run itself told them."""
        found = re.findall(
            r"window: waited (\d+) ms, locked (\d+) ms, released (\d+) ms", "\n".join(self.out)
        )
        expect(found, "the run did not end with its window")
        return dict(zip(("waited_ms", "locked_ms", "released_ms"), map(int, found[-1])))


class Unread(Run):
    """The same where both streams lead to one full pipe, and nobody reads it."""

    def streams(self):
        self.unread, writing = os.pipe()
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"\n" * FILLING)
        # The flag belongs to the pipe's end itself: the run must find one that would block it.
        os.set_blocking(writing, True)
        self.writing = writing
        return {"stdout": writing, "stderr": writing}

    def wait(self, timeout=BACKUP_S_MAX):
        super().wait(timeout)
        os.close(self.writing)
        os.close(self.unread)
        return self


def _told_by_line(command):
    """What is typed: the cases read the lines of a backup's log, act by act."""
    words = command.split()
    return [*words, "--lines"] if words == ["backup"] else words


def _gather(stream, lines):
    with stream:  # hundreds of runs would use up what may be open at once
        for line in stream:
            lines.append(line.rstrip("\n"))


def end_all():
    """What a failed case has left running, and what that has started."""
    for one in ALL:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
            subprocess.run(["pkill", "-CONT", "-x", "rsync"], check=False)
    ALL.clear()


def run_tool(command, config_path, binary=RELEASED, **environment):
    return Run(command, config_path, binary, **environment).wait()


def whole_run(config_path):
    """A backup in which nothing goes wrong, and its acts in order, as it told them."""
    whole = Run("backup", config_path, WRONG, HOLDSTILL_HOLD_AT=str(BEYOND_THE_END)).wait().ended(0)
    return whole, [line.split(" ms  ", 1)[1] for line in whole.out if " ms  " in line]


def number_of(acts, words):
    """The number of the first act that begins so, counted from 1."""
    found = [number for number, act in enumerate(acts, 1) if act.startswith(words)]
    expect(found, f"no act begins with '{words}': {acts}")
    return found[0]


def published():
    """Names of the finished backups in the destination."""
    return {
        path.name
        for path in BACKUPS.iterdir()
        if (path / "backup.json").exists() and not path.name.startswith(".")
    }


def unpublished():
    return {path.name for path in BACKUPS.glob(".*.partial")}


def ledgers():
    """What is left in the state directory beside the run lock, the outcomes and what is known of the
    backups, which stay."""
    return {
        str(path.relative_to(STATE))
        for path in STATE.rglob("*")
        if path.is_file() and "lock" not in path.name and path.parent.name not in ("runs", "known")
    }


def child(parent, name):
    """The child process of that name, if there is one."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        words = _stat(stat)
        if words and words[1] == name and int(words[3]) == parent:
            return int(words[0])
    return None


def is_over(pid):
    """Whether a process has ended, though nobody may have asked how."""
    words = _stat(Path(f"/proc/{pid}/stat"))
    return words is None or words[2] == "Z"


def _stat(path):
    """Its number, name, state, parent and more; a name may have anything in it."""
    try:
        number, rest = path.read_text().split(" (", 1)
    except OSError:
        return None
    name, _, rest = rest.rpartition(") ")
    return [number, name, *rest.split()]
