"""The audit changes nothing: shown by the server's own log and by every system call it makes."""

import ctypes
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from contextlib import contextmanager
from pathlib import Path

from base import BACKUPS, HOME, expect, run, until
from case_backup import XFS_BY_GTID
from tool import RELEASED, USER, config, run_tool

REFUSED = 3
SEEN_S_MAX = 30
TRACE = HOME / "audit.trace"
WATCHED_S = 4
COLUMNS = 80

# What changes something, or could, by a file's name or by a descriptor.
BY_NAME = (
    "mkdir mkdirat rmdir rename renameat renameat2 unlink unlinkat link linkat symlink symlinkat"
    " chmod fchmod fchmodat chown lchown fchown fchownat utimensat truncate ftruncate fallocate"
    " mknod mknodat mount umount2 setxattr lsetxattr fsetxattr removexattr creat"
    " sync syncfs fsync fdatasync kill tgkill reboot sethostname settimeofday clock_settime"
).split()
BY_DESCRIPTOR = "write writev pwrite64 pwritev pwritev2 sendfile copy_file_range splice".split()
CALLS = [*BY_NAME, *BY_DESCRIPTOR, "open", "openat", "openat2", "flock", "ioctl"]

LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
# Pipes and sockets lead to its own processes and to the server; device-mapper is asked by ioctl.
HARMLESS_TARGETS = re.compile(r"^\d+<(pipe:|socket:|UNIX|TCP|anon_inode:|/dev/null|/dev/pts)")
CONTROL = "/dev/mapper/control"
DM_QUESTIONS = re.compile(
    r"DM_(VERSION|LIST_DEVICES|LIST_VERSIONS|DEV_STATUS|TABLE_STATUS|TABLE_DEPS|GET_TARGET_VERSION"
    r"|DEV_ARM_POLL)\b"
)
# Reading a device's or filesystem's own facts, and a descriptor's flags.
QUESTIONS = re.compile(
    r"\b(TCGETS2?|BLK(GETSIZE(64)?|SSZGET|BSZGET|ROGET|PBSZGET|IOMIN|IOOPT|ALIGNOFF|DISCARDZEROES)"
    r"|FS_IOC_GET\w+|FIONREAD|FIONBIO|FIOCLEX)\b"
)
ENTRY = re.compile(r"^\S*(?:\s+\S+)?\s+(\d+) (Connect|Query|Prepare|Execute|Quit)\s*(.*)$")


@contextmanager
def general_log(server):
    """Everything that the server is told, as it notes it itself."""
    path = Path("/run/mysqld/general.log")
    path.unlink(missing_ok=True)
    server.sql(f"SET GLOBAL general_log_file = '{path}'", "SET GLOBAL log_output = 'FILE'")
    server.sql("SET GLOBAL general_log = ON")
    try:
        yield path
    finally:
        server.sql("SET GLOBAL general_log = OFF")


def statements(text, user):
    """What the sessions of one user were told, by the log of MariaDB or MySQL."""
    ours, found = set(), []
    for line in text.splitlines():
        entry = ENTRY.match(line)
        if not entry:
            if found and not re.match(r"^(/|Tcp|Time)", line):
                found[-1] += " " + line.strip()  # a statement of several lines
            continue
        session, what, rest = entry.groups()
        if what == "Connect" and rest.startswith(user):
            ours.add(session)
        elif session in ours and what != "Quit":
            found.append(f"{what} {rest}")
    return found


def audit_only_asks(world):
    """No statement but SELECT and SHOW reaches the server."""
    server = world.replica
    before = world.fingerprint()
    with general_log(server) as path:
        run_tool("audit", config(server)).ended(0)
        until(SEEN_S_MAX, lambda: "Quit" in path.read_text(), "the log to be written")
        told = statements(path.read_text(errors="replace"), USER)
    expect(len(told) > 5, f"the log tells only {told}")
    other = [one for one in told if not re.match(r"Query\s+(SELECT|SHOW)\b", one)]
    expect(not other, f"the server was told: {other}")
    expect(world.fingerprint() == before, "the audit touched something")
    return {"statements": len(told)}


def audit_writes_nothing(world):
    """No system call of it, or of a program that it runs, changes anything but its own output."""
    path = config(world.replica)
    run("true")  # whatever python makes on its first call is made
    TRACE.unlink(missing_ok=True)
    names = ",".join(CALLS)
    done = subprocess.run(
        ["strace", "-f", "-y", "-s", "64", "-e", f"trace={names}", "-o", TRACE]
        + [RELEASED, "audit", "--config", path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    expect(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-600:]}")
    lines = TRACE.read_text(errors="replace").splitlines()
    calls = [found for line in lines if (found := LINE.match(line))]
    expect(len(calls) > 200, f"only {len(calls)} calls were seen")
    wrong = sorted({problem for call in calls if (problem := changes(*call.groups()))})
    expect(not wrong, f"{len(wrong)} kinds of change: {wrong[:40]}")
    return {"calls": len(calls)}


def changes(name, arguments, result):
    """What a call changed, if it did."""
    if int(result) < 0:
        return None
    told = f"{name}({arguments[:120]})"
    if name in BY_NAME:
        return told
    if name in BY_DESCRIPTOR:
        return None if HARMLESS_TARGETS.match(arguments) else told
    if name == "flock":
        return None if "LOCK_UN" in arguments else told
    if name == "ioctl":
        question = DM_QUESTIONS if CONTROL in arguments else QUESTIONS
        return None if question.search(arguments) else told
    if "O_WRONLY" in arguments or "O_RDWR" in arguments or "O_CREAT" in arguments:
        own = rf'"(/proc/self/fd/[12]|/dev/null|/dev/tty|{CONTROL})"'
        return None if re.search(own, arguments) else told
    return None


def audit_as_json(world):
    """One object, whose aspects tell what is wrong, all at once."""
    done = run_tool("audit --json", config(world.primary)).ended(0)
    answer = json.loads("\n".join(done.out))
    expect(answer["exit"] == 0 and answer["version"] == 1, f"{answer}")
    expect(len(answer["plan"]["acts"]) > 20, f"{answer['plan']}")
    paces = [one for one in answer["aspects"] if one["aspect"] == "write rate"]
    expect(paces and "not known" not in paces[0]["found"], f"{paces}")
    path = config(world.primary, destination={"directory": "/no/such"}, snapshot={"size": "90GiB"})
    done = run_tool("audit --json", path).ended(REFUSED)
    answer = json.loads("\n".join(done.out))
    refused = {one["aspect"] for one in answer["aspects"] if one["verdict"] == "refusal"}
    expect(refused == {"destination", "snapshot"}, f"{refused}")
    expect("plan" not in answer, "there is a plan all the same")
    return {"aspects": len(answer["aspects"])}


def audit_is_watched(world):
    """The estimate is shown each second, and is right about what is written to the volume."""
    path = config(world.primary)
    run_tool("backup", path).ended(0)
    hog = world.primary.datadir / "hog"
    writer = subprocess.Popen(
        ["sh", "-c", f"for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of={hog} bs=1M count=8"
         " oflag=direct conv=notrunc status=none; sleep 0.5; done"]
    )
    try:
        done = run_tool(f"audit --watch {WATCHED_S}", path).ended(0)
    finally:
        writer.wait(60)
        hog.unlink(missing_ok=True)
    samples = [line for line in done.out if re.match(r" +\d+ s  '", line)]
    expect(len(samples) == WATCHED_S, f"{len(samples)} samples: {done.words()}")
    found = re.search(r"write rate +'\S+': ([\d.]+) (\w+)/s", "\n".join(done.out))
    expect(found and found[2] == "MiB", f"{done.out}")
    expect(2 < float(found[1]) < 40, f"{found[0]}")
    expect(any("last backup" in line and "old" in line for line in done.out), f"{done.out}")
    for backup in BACKUPS.iterdir():
        run("rm", "-rf", backup)
    return {"rate": f"{found[1]}MiB/s"}


class Timex(ctypes.Structure):
    """What adjtimex(2) takes and gives, as far as it is used (linux/timex.h)."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    ]


ADJ_MAXERROR, ADJ_ESTERROR, ADJ_STATUS = 0x4, 0x8, 0x10
STA_PLL, STA_UNSYNC = 0x1, 0x40


def keep_clock(status):
    """Tells the kernel what somebody who keeps the clock right would, or what nobody does."""
    clock = Timex(modes=ADJ_MAXERROR | ADJ_ESTERROR | ADJ_STATUS, maxerror=5000, status=status)
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.adjtimex(ctypes.byref(clock))
    expect(done >= 0, f"adjtimex: {os.strerror(ctypes.get_errno())}")


def audit_tells_of_the_clock(world):
    """Whether somebody keeps it right, as the kernel says, and how far it may be off."""
    path = config(world.replica)

    def told():
        lines = run_tool("audit", path).ended(0).out
        return next(line for line in lines if re.match(r"  \w+  clock ", line))

    keep_clock(STA_UNSYNC)
    free = told()
    expect(free.startswith("  WARN") and "nothing keeps it right" in free, free)
    keep_clock(STA_PLL)
    try:
        kept = told()
    finally:
        keep_clock(STA_UNSYNC)
    off = re.search(r"^  pass .* synchronized, off by (\d+) ms at most", kept)
    # The kernel lets what it was told grow by half a millisecond each second.
    expect(off and 5 <= int(off[1]) < 60, kept)
    return {"off_ms": int(off[1])}


def audit_fits_a_terminal(world):
    """What was found is broken between words at 80 columns; a command is never."""
    path = config(world.replica)
    text = on_terminal("audit", path)
    found = [line for line in text.split("a run would do this")[0].splitlines() if line.strip()]
    wide = [line for line in found if len(line) > COLUMNS and "hint: " not in line]
    expect(not wide, f"wider than {COLUMNS}: {wide}")
    expect(any(line.startswith(" " * 23) for line in found), f"nothing hangs: {found}")
    copy = next(line for line in text.splitlines() if "rsync --archive" in line)
    expect(len(copy) > COLUMNS and copy.endswith("/tree/"), f"the copy's command is broken: {copy}")
    return {"lines": len(found)}


def on_terminal(command, path):
    """What a command says to a terminal of 80 columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 45, COLUMNS, 0, 0))
    with subprocess.Popen([RELEASED, command, "--config", path], stdout=slave) as tool:
        os.close(slave)
        said = b""
        while True:
            try:
                said += os.read(master, 1 << 16)
            except OSError:  # its end is closed
                break
        expect(tool.wait(60) == 0, f"exit {tool.returncode}")
    os.close(master)
    return said.decode().replace("\r\n", "\n")


CASES = [
    audit_only_asks,
    audit_writes_nothing,
    audit_as_json,
    audit_is_watched,
    audit_tells_of_the_clock,
    audit_fits_a_terminal,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
