"""What a backup is proven to be: read and held against its manifest, it is sound, and whatever was
done to it is named.

A state directory and a destination of its own, as the cases of retention have.
"""

import json
import os
import shutil
from pathlib import Path

from base import BACKUPS, expect, fresh_directory
from case_backup import XFS_BY_GTID
from tool import config, run_tool

DONE, CRITICAL, DAMAGED = 0, 2, 9
PLACE = Path("/run/verified")
STATE = PLACE / "state"
KEPT = BACKUPS / "verified"
PAGE = 16 << 10
MIDDLE = PAGE // 2


def anew(world):
    """A configuration and the one backup that was made with it."""
    for place in (PLACE, KEPT):
        fresh_directory(place)
    KEPT.chmod(0o700)
    path = config(
        world.replica, top={"state_dir": str(STATE)}, destination={"directory": str(KEPT)}
    )
    done = run_tool("backup", path).ended(DONE)
    [backup] = [one for one in KEPT.iterdir() if not one.name.startswith(".")]
    return path, backup, done


def over(world):
    world.require_clean_slate()
    shutil.rmtree(KEPT)


def answer(path, *options, code=DONE):
    """What `verify --json` says of one backup."""
    done = run_tool(" ".join(["verify", "--json", *options]), path).ended(code)
    expect(len(done.out) == 1, f"not one line: {done.out[:3]}")
    return json.loads(done.out[0])


def known(backup):
    return json.loads((STATE / "known" / f"{backup.name}.json").read_text())["found"]


def flip(path, at):
    """Turns one bit over, as a disk does: nothing else of the file tells of it."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def tables(directory):
    """The tables of the lab, the largest last."""
    found = sorted(directory.rglob("lab/*.ibd"), key=lambda path: path.stat().st_size)
    expect(found, f"no table is in {directory}")
    return found


def verify_names_what_changed(world):
    """Sound at first; then a bit is turned over, and files are cut, removed, added and opened."""
    path, backup, made = anew(world)
    sound = answer(path)
    manifest = json.loads((backup / "backup.json").read_text())["manifest"]
    expect((sound["state"], sound["problems"]) == ("sound", []), f"{sound}")
    expect(sound["files"] == manifest["files"], f"{sound['files']} of {manifest['files']} read")
    expect(known(backup)["verify"]["problems_found"] == 0, f"{known(backup)}")
    tree = backup / "tree"
    largest = tables(tree)[-1]
    flip(largest, largest.stat().st_size // 2)
    os.truncate(tree / "ibdata1", 4096)
    gone = tables(tree)[0]
    gone.unlink()
    (tree / "not-ours").write_text("x")
    opened = next(one for one in tree.iterdir() if one.is_dir())
    opened.chmod(0o777)
    found = answer(path, code=DAMAGED)
    told = {(one["problem"], one["path"]) for one in found["problems"]}
    name = lambda one: str(one.relative_to(backup))
    wanted = {
        ("content", name(largest)),
        ("size", "tree/ibdata1"),
        ("missing", name(gone)),
        ("extra", "tree/not-ours"),
        ("mode", name(opened)),
    }
    expect(wanted <= told, f"not told: {wanted - told}; told: {told}")
    # A cut changes the time as well.
    expect(told - wanted <= {("time", "tree/ibdata1")}, f"told besides: {told - wanted}")
    done = run_tool("verify", path).ended(DAMAGED)
    expect("DAMAGED" in done.out[0], f"{done.out}")
    checked = run_tool("check", path).ended(CRITICAL)
    expect("newer backup is damaged" in checked.out[0], f"{checked.out}")
    over(world)
    return {"files": sound["files"], "read_ms": sound["ms"], "told": len(told)}


def bent_record_is_told(world):
    """One bit of backup.json: nobody believes it any more, and nobody removes the backup."""
    path, backup, _ = anew(world)
    flip(backup / "backup.json", 40)
    listed = run_tool("list", path).ended(DONE)
    expect(any("damaged record" in line for line in listed.out), f"{listed.out}")
    [problem] = answer(path, code=DAMAGED)["problems"]
    expect(problem["path"] == "backup.json", f"{problem}")
    rules = config(
        world.replica,
        top={"state_dir": str(STATE)},
        destination={"directory": str(KEPT)},
        retention={"keep_last": 1},
    )
    pruned = run_tool("prune --dry-run", rules).ended(DONE)
    expect(any("damaged record" in line for line in pruned.out), f"{pruned.out}")
    over(world)
    return {"problem": problem["problem"]}


def sample_reads_a_share(world):
    """A share is some of the files, and everything but their content is looked at of all."""
    path, backup, _ = anew(world)
    share = answer(path, "--sample", "10%")
    files = json.loads((backup / "backup.json").read_text())["manifest"]["files"]
    expect(0 < share["files"] < files / 2, f"read {share['files']} of {files}")
    expect(share["how"] == "sample" and "sample" in known(backup), f"{share}, {known(backup)}")
    for table in tables(backup / "tree")[:3]:
        table.unlink()
    problems = answer(path, "--sample", "10%", code=DAMAGED)["problems"]
    expect([one["problem"] for one in problems] == ["missing"] * 3, f"{problems}")
    over(world)
    return {"read": share["files"], "of": files}


def bad_page_of_the_source(world):
    """A page that is bad in the data directory is copied, published, and told everywhere. The file is
    a copy of a sound table that the server does not know: its own are not harmed."""
    # One that was not written for long: no page of it has a copy in the doublewrite buffer.
    every = world.replica.datadir.rglob("*.ibd")
    sound = min(every, key=lambda path: path.stat().st_mtime_ns)
    orphan = sound.with_name("orphan.ibd")
    shutil.copyfile(sound, orphan)
    shutil.chown(orphan, "mysql", "mysql")
    text = orphan.read_bytes()
    pages = [at for at in range(3 * PAGE, len(text), PAGE) if any(text[at : at + PAGE])]
    flip(orphan, pages[0] + MIDDLE)
    try:
        path, backup, made = anew(world)
    finally:
        orphan.unlink()
    said = [line for line in made.out + made.err if "bad pages of the source" in line]
    expect(any("orphan.ibd" in line for line in said), f"not told: {made.words()}")
    [told] = json.loads((backup / "backup.json").read_text())["bad_pages"]
    expect(told["file"].endswith("/orphan.ibd"), f"{told}")
    expect((told["bad"], told["first_bad"]) == (1, [pages[0] // PAGE]), f"{told}")
    checked = run_tool("check", path).ended(CRITICAL)
    expect("bad pages of the source" in checked.out[0], f"{checked.out}")
    [problem] = answer(path, code=DAMAGED)["problems"]
    expect(problem["problem"] == "bad-pages", f"{problem}")
    over(world)
    return {"page": told["first_bad"][0], "checked": told["checked"]}


CASES = [
    verify_names_what_changed,
    bent_record_is_told,
    sample_reads_a_share,
    bad_page_of_the_source,
]
for case in CASES:
    case.kind = XFS_BY_GTID
