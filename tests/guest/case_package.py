"""The Debian package on a machine with servers: installed, used as it comes, upgraded, purged.

scripts/release builds it; without one in the payload the case has failed, for nothing was tested.
"""

import shutil
from pathlib import Path

from base import HOME, PAYLOAD, STATE, NotRun, expect, fresh_directory, run
from case_backup import XFS_BY_GTID
from tool import RELEASED, WRONG, Run, config, ledgers, published

PACKAGED = Path("/usr/bin/holdstill")
ETC = Path("/etc/holdstill")
CONFIG = ETC / "holdstill.toml"  # where it is looked for
KILLED = -9
# The guest's dpkg leaves out what nobody reads there; here it is part of what is tested.
DPKG = ("dpkg", "--path-include=/usr/share/doc/*", "--path-include=/usr/share/man/*")
# No systemd is there: what the package's scripts tell it is written down by a stand-in.
BOOTED = Path("/run/systemd/system")
SYSTEMCTL = Path("/usr/local/sbin/systemctl")
TOLD = Path("/run/systemctl-was-told")
RELOAD = ["--system daemon-reload"]


def package(world):
    """The whole life of a package; what an operator has made is there at its end."""
    deb = the_package()
    expect(not ledgers(), "an earlier case has left a ledger")
    run("rm", "-rf", STATE, ETC)
    try:
        files = install(deb)
        write_config(world.replica)
        backup = use()
        newer = upgrade(deb, backup)
        purge_with_a_ledger()
        dpkg("-i", deb)
        Run("recover", CONFIG, PACKAGED).wait().ended(0)
        purge_all()
        expect(backup in published() and CONFIG.exists(), "a purge took what is not its own")
    finally:
        run(*DPKG, "--purge", "holdstill", check=False)
        run("rm", "-rf", ETC)
    world.require_clean_slate()
    return {"files": files, "upgraded_to": newer}


def the_package():
    found = list(PAYLOAD.glob("holdstill_*.deb"))
    if len(found) != 1:
        raise NotRun(f"{len(found)} packages in the payload instead of one: run 'scripts/release'")
    return found[0]


def dpkg(*words):
    """What it says, and what the package's scripts tell systemd, which seems to be there."""
    was_there = BOOTED.exists()
    BOOTED.mkdir(parents=True, exist_ok=True)
    SYSTEMCTL.write_text(f'#!/bin/sh\necho "$*" >>{TOLD}\n')
    SYSTEMCTL.chmod(0o755)
    TOLD.unlink(missing_ok=True)
    try:
        said = run(*DPKG, *words)
    finally:
        SYSTEMCTL.unlink()
        if not was_there:
            BOOTED.rmdir()
    return said, TOLD.read_text().splitlines() if TOLD.exists() else []


def install(deb):
    """Everything is there with the mode of the list, root's, unchanged; nothing is enabled."""
    _, told = dpkg("-i", deb)
    expect(told == RELOAD, f"systemd is told of the new units, and nothing else; it was {told}")
    paths = [Path(line) for line in run("dpkg", "-L", "holdstill").split()[1:]]  # the first is /.
    listed = list_of_files()
    check_modes(paths, {destination: mode for mode, _, destination in listed})
    has_files = {f"{path.parent}/" for path in paths if path.is_file()}
    empty = [place for _, source, place in listed if source != "-" and place not in has_files]
    expect(not empty, f"nothing is installed in {empty}")
    changed = run("dpkg", "--verify", "holdstill", check=False)
    expect(not changed, f"not as packaged: {changed}")
    enabled = list(Path("/etc/systemd/system").glob("*/holdstill*"))
    expect(not enabled, f"a unit is enabled: {enabled}")
    return sum(path.is_file() for path in paths)


def list_of_files():
    """Mode, source and destination of each line of packaging/files."""
    lines = (PAYLOAD / "packaging" / "files").read_text().splitlines()
    lines = [line.split() for line in lines if line and not line.startswith("#")]
    expect(len(lines) > 5, "the list of files is too short")
    return [(int(mode, 8), source, destination) for mode, source, destination in lines]


def check_modes(paths, modes):
    """A directory on the list that holds files is an ordinary one; an empty one has its mode."""
    for path in paths:
        found = path.stat()
        expect((found.st_uid, found.st_gid) == (0, 0), f"'{path}' is not root's")
        mode = modes.get(f"{path.parent}/")
        if path.is_dir():
            mode = 0o700 if modes.get(f"{path}/") == 0o700 else 0o755
        expect(found.st_mode & 0o7777 == mode, f"'{path}' has mode {found.st_mode & 0o7777:03o}")
    closed = [path for path in (ETC, STATE) if path.stat().st_mode & 0o7777 != 0o700]
    expect(not closed, f"open to others: {closed}")


def write_config(server, **sections):
    """As for other cases, but where the program looks by itself."""
    written = config(server, **sections)
    for path in written.parent.iterdir():
        shutil.copy2(path, ETC)
    CONFIG.write_text(written.read_text().replace(str(written.parent), str(ETC)))


def use():
    """The version, the audit by the usual configuration, and a backup; its name."""
    versions = [run(program, "--version") for program in (PACKAGED, RELEASED)]
    expect(versions[0] == versions[1], f"the package is of another build: {versions}")
    run(PACKAGED, "audit")
    return Run("backup", CONFIG, PACKAGED).wait().ended(0).published().name


def upgrade(deb, backup):
    """To the same program under a higher version; what was written meanwhile stays."""
    old, before = version(), CONFIG.read_text()
    _, told = dpkg("-i", with_version(deb, old, f"{old}+1"))
    expect(told == RELOAD, f"an upgrade touches no unit; systemd was told {told}")
    expect(version() == f"{old}+1", f"'{version()}' is installed after an upgrade of '{old}'")
    expect(CONFIG.read_text() == before, "an upgrade changed the configuration")
    for place in (ETC, STATE):
        expect(place.stat().st_mode & 0o7777 == 0o700, f"an upgrade opened '{place}'")
    expect(backup in run(PACKAGED, "list"), "the backup is not listed after the upgrade")
    return version()


def version():
    return run("dpkg-query", "-W", "-f", "${Version}", "holdstill")


def with_version(deb, old, new):
    tree, repacked = fresh_directory(HOME / "repacked"), HOME / "repacked.deb"
    run("dpkg-deb", "--raw-extract", deb, tree)
    control = tree / "DEBIAN" / "control"
    control.write_text(control.read_text().replace(f"Version: {old}\n", f"Version: {new}\n"))
    run("dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, repacked)
    shutil.rmtree(tree)
    return repacked


def purge_with_a_ledger():
    """A run that was killed has left something: its ledger is all that tells of it."""
    held = Run("backup", CONFIG, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    held.process.kill()
    held.wait().ended(KILLED)
    left = ledgers()
    expect(left, "the killed run has left no ledger")
    said, told = dpkg("--purge", "holdstill")
    expect("holdstill recover" in said, f"the purge does not say what to do: {said}")
    expect(ledgers() == left, "the purge took a ledger")
    expect(not PACKAGED.exists(), "the purge left the program")
    disabled = any("disable --now holdstill.timer" in line for line in told)
    expect(disabled, f"the timer would go on without its program; systemd was told {told}")


def purge_all():
    """Nothing is left that a run would have to tell of: the purge takes the state, too."""
    dpkg("--purge", "holdstill")
    left = list(STATE.rglob("*")) if STATE.exists() else []
    expect(not STATE.exists(), f"left with '{STATE}': {left}")
    known = run("dpkg", "-L", "holdstill", check=False)
    expect("not installed" in known, f"the purge left the package: {known}")


package.kind = XFS_BY_GTID
CASES = [package]
