"""Backups leave the machine and come back: to another host by ssh, and into a restic repository
behind a REST server, both real ones on loopback. What is interrupted goes on, what is damaged is
told, and what is not ours stays.

A state directory and a destination of its own, as the cases of retention have.
"""

import json
import os
import shutil
import signal
from pathlib import Path

from base import BACKUPS, expect, fresh_directory
from case_backup import XFS_BY_GTID
from far import Repository, Vault, flip, underway
from tool import RELEASED, Run, config, run_tool

DONE, FAILED, USAGE, REFUSED, DAMAGED, NOT_PUSHED = 0, 1, 2, 3, 9, 10
PLACE = Path("/run/offsite")
STATE = PLACE / "state"
KEPT = BACKUPS / "offsite"


def configured(world, *places, **more):
    """A configuration with these places; its path."""
    tables = (
        "[[offsite]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in place.items())
        for place in places
    )
    return config(
        world.replica,
        top={"state_dir": str(STATE), "run_dir": str(PLACE / "run")},
        destination={"directory": str(KEPT)},
        raw="\n" + "\n".join(tables),
        **more,
    )


def anew():
    for place in (PLACE, KEPT):
        fresh_directory(place)
    KEPT.chmod(0o700)


def made(world, path):
    """A real backup: its name."""
    before = names()
    run_tool("backup", path).ended(DONE)
    [name] = names() - before
    return name


def names():
    return {path.name for path in KEPT.iterdir() if not path.name.startswith(".")}


def over(world):
    world.require_clean_slate()
    shutil.rmtree(KEPT)


def at(path, place):
    """What `list --at` tells: state by run."""
    done = run_tool(f"list --at {place} --json", path).ended(DONE)
    return {one["run"]: one["state"] for one in json.loads("\n".join(done.out))}


def fingerprint(name):
    """Everything that makes a backup what it is, but the times of directories."""
    found = {}
    for path in sorted((KEPT / name).rglob("*")):
        seen = path.lstat()
        time = 0 if path.is_dir() else seen.st_mtime_ns
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_gid, time, hash(content))
    return found


def there_and_back(path, place, name):
    """Pushed, listed, verified, lost here, fetched: the same to the last bit."""
    before = fingerprint(name)
    run_tool("push", path).ended(DONE)
    expect(at(path, place) == {name: "whole"}, f"{at(path, place)}")
    again = run_tool("push", path).ended(DONE)
    expect(any("already" in line for line in again.out), f"pushed twice: {again.out}")
    run_tool(f"verify --at {place}", path).ended(DONE)
    shutil.rmtree(KEPT / name)
    run_tool(f"fetch {name[:15]} --from {place}", path).ended(DONE)
    expect(fingerprint(name) == before, "what came back differs")
    run_tool(f"verify {name}", path).ended(DONE)
    return {"seconds": round(again.seconds, 1)}


def ssh_there_and_back(world):
    anew()
    with Vault(PLACE / "vault") as vault:
        path = configured(world, vault.place())
        figures = there_and_back(path, "vault", made(world, path))
        expect(not vault.hidden(), f"left: {vault.hidden()}")
        sockets = list((PLACE / "run" / "ssh").iterdir())
        expect(not sockets, f"a connection is left: {sockets}")
    over(world)
    return figures


def restic_there_and_back(world):
    anew()
    with Repository(PLACE / "cloud") as repository:
        repository.restic("init")
        path = configured(world, repository.place())
        figures = there_and_back(path, "cloud", made(world, path))
    over(world)
    return figures


def ssh_push_is_killed(world):
    """Killed half-way nothing counts there, and the same command goes on with what is there."""
    anew()
    with Vault(PLACE / "vault") as vault:
        path = configured(world, vault.place(bandwidth_max="2MiB"))
        name = made(world, path)
        partial = vault.far / f".{name}.partial"
        pushing = Run("push", path, RELEASED)
        sent = lambda: any(file.stat().st_size > 0 for file in partial.rglob("*.ibd"))
        underway(pushing.process, sent)
        os.killpg(pushing.process.pid, signal.SIGKILL)
        pushing.wait()
        expect(at(path, "vault") == {name: "partial"}, f"{at(path, 'vault')}")
        run_tool("prune", path)
        path = configured(world, vault.place())
        run_tool("push", path).ended(DONE)
        expect((vault.whole(), vault.hidden()) == ({name}, set()), "not as after a push")
        run_tool("verify --at vault", path).ended(DONE)
    over(world)


def restic_push_is_killed(world):
    anew()
    with Repository(PLACE / "cloud") as repository:
        repository.restic("init")
        path = configured(world, repository.place(bandwidth_max="1MiB"))
        name = made(world, path)
        pushing = Run("push", path, RELEASED)
        data = repository.home / "data" / "data"
        underway(pushing.process, lambda: any(file.is_file() for file in data.rglob("*")))
        pushing.process.send_signal(signal.SIGTERM)
        pushing.wait().ended(143)
        expect(at(path, "cloud") == {}, "half a push counts")
        path = configured(world, repository.place())
        run_tool("push", path).ended(DONE)
        # What is killed leaves its lock, unless restic is new enough to take it along; a lock stands
        # in the way of a check: restic's own affair.
        locks = list((repository.home / "data" / "locks").iterdir())
        if locks:
            locked = run_tool("verify --at cloud", path).ended(FAILED)
            expect(any("restic unlock" in line for line in locked.err), f"{locked.err}")
            repository.restic("unlock")
        run_tool("verify --at cloud", path).ended(DONE)
    over(world)
    return {"locks_left": len(locks)}


def damage_elsewhere_is_told(world):
    """By a verification there, and by a fetch, which publishes nothing of it."""
    anew()
    with Vault(PLACE / "vault") as vault, Repository(PLACE / "cloud") as repository:
        repository.restic("init")
        path = configured(world, vault.place(), repository.place())
        name = made(world, path)
        run_tool("push", path).ended(DONE)
        rotten_here(path, name)
        for far, place in ((vault, "vault"), (repository, "cloud")):
            far.damage()
            told = run_tool(f"verify --at {place}", path).ended(DAMAGED)
            expect(any("1 problem" in line for line in told.out), f"{told.out}")
            checked = "\n".join(run_tool("check", path).out)
            expect(f"at '{place}' is damaged" in checked, f"check is silent: {checked}")
            again = run_tool(f"push --to {place}", path).ended(NOT_PUSHED)
            expect(any("damaged there" in line for line in again.err), f"{again.err}")
        shutil.rmtree(KEPT / name)
        run_tool(f"fetch {name} --from vault", path).ended(DAMAGED)
        run_tool(f"fetch {name} --from cloud", path)
        expect(name not in names(), "damaged, and published")
    over(world)


def rotten_here(path, name):
    """Of two that differ the one here is the damaged one: nothing is held against the other."""
    table = max((KEPT / name).rglob("*.ibd"), key=lambda file: file.stat().st_size)
    flip(table)
    told = run_tool("verify --at vault", path).ended(DAMAGED)
    expect(any("is damaged here" in line for line in told.err), f"{told.err}")
    checked = "\n".join(run_tool("check", path).out)
    expect("CRITICAL" in checked and "at 'vault' is damaged" not in checked, checked)
    flip(table)
    run_tool(f"verify {name}", path).ended(DONE)


def rules_count_elsewhere(world):
    """Each place by its own rules; what is not ours stays."""
    anew()
    with Vault(PLACE / "vault") as vault, Repository(PLACE / "cloud") as repository:
        repository.restic("init")
        rules = {"keep_last": 1}
        path = configured(world, vault.place(**rules), repository.place(**rules))
        first = made(world, path)
        run_tool("push", path).ended(DONE)
        second = made(world, path)
        run_tool("push", path).ended(DONE)
        (vault.far / "somebody-s").mkdir()
        run_tool("prune --at vault --dry-run", path).ended(DONE)
        expect(vault.whole() == {first, second, "somebody-s"}, "asking touched something")
        for place in ("vault", "cloud"):
            run_tool(f"prune --at {place}", path).ended(DONE)
            expect(at(path, place) == {second: "whole"}, f"{place}: {at(path, place)}")
        expect(vault.whole() == {second, "somebody-s"}, f"{vault.whole()}")
        expect(names() == {first, second}, "something went here")
    over(world)


def push_after_a_backup(world):
    """A place that does not answer costs the exit code, and not the backup."""
    anew()
    vault = Vault(PLACE / "vault")
    path = configured(world, vault.place(push=True))
    failed = run_tool("backup --json", path).ended(NOT_PUSHED)
    [name] = names()
    expect(any("not pushed" in line for line in failed.err), f"{failed.err}")
    last = json.loads(failed.out[-1])
    expect(last["status"] == "pushed" and last["figures"]["exit"] == NOT_PUSHED, f"{last}")
    audited(path, "WARN", f"the push of {name} failed")
    check = run_tool("check", path)
    expect("the last push to 'vault' failed" in " ".join(check.out), f"{check.out}")
    with vault:
        second = made(world, path)
        expect(vault.whole() == {second}, f"{vault.whole()}")
        audited(path, "pass", f"pushed to after each backup, last {second} at")
        run_tool("check", path).ended(DONE)
        vault.trust("strange_key")
        refused = run_tool(f"push {name}", path).ended(NOT_PUSHED)
        told = " ".join(refused.err)
        expect("Host key verification failed" in told and "hint:" in told, told)
        expect(vault.whole() == {second}, "a strange host was given a backup")
    over(world)


def audited(path, verdict, words):
    """What an audit says of the one place."""
    lines = run_tool("audit", path).ended(DONE).out
    found = [line for line in lines if line.split()[1:2] == ["offsite"]]
    expect(len(found) == 1 and verdict in found[0] and words in found[0], f"{found} in {lines}")


def what_is_wrong_with_a_place_is_told(world):
    """Before anything is touched, or by the other side's own words with a hint."""
    anew()
    with Repository(PLACE / "cloud") as repository:
        path = configured(world, repository.place())
        made(world, path)
        for wrong, code, words in (
            (lambda: None, NOT_PUSHED, "restic --repository-file"),
            (lambda: repository.restic("init"), DONE, ""),
            (lambda: (repository.home / "password").write_text("no\n"), NOT_PUSHED, "password_file"),
            (lambda: (repository.home / "password").chmod(0o644), REFUSED, "chmod 0600"),
            (lambda: (repository.home / "password").unlink(), REFUSED, "is not there"),
        ):
            wrong()
            if code == DONE:
                continue
            told = run_tool("push", path).ended(code).err
            expect(any(words in line for line in told), f"'{words}' is not in {told}")
        run_tool("push --to nowhere", path).ended(USAGE)
    over(world)


CASES = [
    ssh_there_and_back,
    restic_there_and_back,
    ssh_push_is_killed,
    restic_push_is_killed,
    damage_elsewhere_is_told,
    rules_count_elsewhere,
    push_after_a_backup,
    what_is_wrong_with_a_place_is_told,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
