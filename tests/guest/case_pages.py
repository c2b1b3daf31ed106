"""The checks of InnoDB's pages against the server's own `innochecksum`: on every tablespace of a server
that was killed, and on copies of small ones with one bit turned each."""

import os
import random
import shutil
import subprocess

from base import HOME, PAYLOAD, NotRun, expect, fresh_directory
from case_backup import XFS_BY_GTID
from server import MARIADB, Server

EXECUTABLE = PAYLOAD / "conformance"  # the tests, one of which judges files
S_MAX = 600
FLIPS = 20
FILES_FLIPPED = 12
FLIPPED_BYTES_MAX = 1 << 20
# Neither program of the server can tell: MariaDB's takes the doublewrite buffer in the system tablespace
# for bad pages (10.11), MySQL's knows no encrypted page (9.7).
UNKNOWN_TO_IT = ("ibdata",)

TABLES = {
    "plain": "",
    "redundant": "ROW_FORMAT=REDUNDANT",
    "zip1": "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=1",
    "zip8": "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8",
}
TABLES |= (
    {"packed": "PAGE_COMPRESSED=1"}
    if MARIADB
    else {"packed": "COMPRESSION='zlib'", "packed_lz4": "COMPRESSION='lz4'"}
)
ROWS = 400
# The layout of MariaDB before 10.5, too; MySQL has but one that is not out of use.
VARIANTS = {"default": ""}
if MARIADB:
    VARIANTS |= {"crc32": "innodb-checksum-algorithm = crc32\n"}


def pages(world):
    if not EXECUTABLE.exists():
        raise NotRun("there is no 'conformance' in the payload")
    figures = {"files": 0, "flips": 0, "seen": 0}
    for number, (name, extra) in enumerate(VARIANTS.items()):
        datadir = killed_server(f"pages_{name}", 7 + number, extra)
        judge_all(datadir, figures)
    expect(figures["seen"] > figures["flips"] // 2, f"few flips are seen: {figures}")
    return figures


def killed_server(name, number, extra):
    """The files of a server that died at work: as in a snapshot, nothing is settled."""
    datadir = HOME / name
    shutil.rmtree(datadir, ignore_errors=True)
    server = Server(name, number, datadir, extra=extra)
    server.fill()
    server.start()
    rows = ", ".join(f"({n}, REPEAT(CHAR(97 + {n} % 26), {n % 190}))" for n in range(ROWS))
    try:
        server.sql("CREATE DATABASE pages")
        for table, options in TABLES.items():
            columns = "(id INT PRIMARY KEY, a VARCHAR(200) CHARACTER SET latin1, KEY (a))"
            server.sql(
                f"CREATE TABLE pages.{table} {columns} ENGINE=InnoDB {options}",
                f"INSERT INTO pages.{table} VALUES {rows}",
                f"DELETE FROM pages.{table} WHERE id % 3 = 1",
            )
        flush = "FLUSH TABLES {} FOR EXPORT"
        server.sql(flush.format(", ".join(f"pages.{table}" for table in TABLES)), "UNLOCK TABLES")
    finally:
        server.stop()
    return datadir


def judge_all(datadir, figures):
    files = [path for path in sorted(datadir.rglob("*")) if is_tablespace(path)]
    ours = judged(files, [datadir / "ibdata1", *datadir.glob("#ib_*.dblwr")])
    for path in files:
        expect(ours[path].startswith("sound"), f"{path}: {ours[path]}")
        if not path.name.startswith(UNKNOWN_TO_IT):
            expect(is_sound_to_it(path), f"innochecksum does not take {path}, we do")
    figures["files"] += len(files)
    for path in [path for path in files if path.stat().st_size <= FLIPPED_BYTES_MAX][:FILES_FLIPPED]:
        flip(path, figures)


def is_tablespace(path):
    return path.is_file() and (path.suffix == ".ibd" or path.name.startswith(("ibdata", "undo")))


def flip(path, figures):
    """One bit is turned in each copy. Whatever its server notices, we notice; neither knows here what the
    doublewrite buffer would mend."""
    scratch = fresh_directory(HOME / "flips")
    chance, whole = random.Random(path.name), path.read_bytes()
    copies = []
    for number in range(FLIPS):
        copy, at = bytearray(whole), chance.randrange(len(whole))
        at += 8 if 26 <= at % 1024 < 34 else 0  # written apart: in an empty page servers overlook it
        copy[at] ^= 1 << chance.randrange(8)
        copies.append(scratch / f"{number}_{at}.ibd")
        copies[-1].write_bytes(copy)
    ours = judged(copies, [])
    for copy in copies:
        theirs = is_sound_to_it(copy)
        is_bad = ours[copy].startswith("bad")
        expect(theirs or is_bad, f"{path}: innochecksum sees {copy.name}, we do not: {ours[copy]}")
        figures["seen"] += is_bad
    figures["flips"] += len(copies)
    shutil.rmtree(scratch)


def is_sound_to_it(path):
    done = subprocess.run(["innochecksum", str(path)], capture_output=True, timeout=S_MAX)
    return done.returncode == 0


def judged(files, spares):
    """What our library says of each file, in words that begin with `sound` or `bad`; it knows the copies of
    pages that are in `spares`."""
    listed = HOME / "files.txt"
    listed.write_text("".join(f"{path}\n" for path in files))
    listed_too = {
        "HOLDSTILL_LAB_FILES": str(listed),
        "HOLDSTILL_LAB_SPARES": ":".join(map(str, spares)),
    }
    done = subprocess.run(
        [str(EXECUTABLE), "judge_files", "--include-ignored", "--nocapture"],
        env=os.environ | listed_too,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=S_MAX,
    )
    expect(done.returncode == 0, done.stdout[-400:])
    told = [line.split(": ", 2) for line in done.stdout.splitlines() if line.startswith("pages: ")]
    verdicts = {path: verdict for _, path, verdict in told}
    missing = [path for path in files if str(path) not in verdicts]
    expect(not missing, f"nothing is said of {missing}")
    return {path: verdicts[str(path)] for path in files}


pages.kind = XFS_BY_GTID
CASES = [pages]
