"""The COW store of a thick snapshot while a copy goes on: it grows, it cannot, it overflows, its
disk breaks, and lvm dies over its extension, alone or together with the run."""

import os
import signal
import time

from base import VG, Failed, expect, run, until
from bench_ways import PRIMARY_DEVICE
from case_backup import XFS_BY_GTID
from case_hang import POLL_S, Interference
from devmapper import Device
from load import Load
from oracle import manifest
from tool import child, is_over, published, run_tool
from underway import (
    DONE,
    GOES_ON_MS_MAX,
    HOG,
    ROLLED_BACK,
    SEEN_S_MAX,
    STORE_MIB,
    Copying,
    breaks,
    snapshot,
    store_size,
)

SLOW_MS = 20
SOUND_S, BROKEN_S = 2, 600
LATE_TRIES_MAX = 8
FIND_POLL_S = 0.02


def cow_is_extended(world):
    """What the server writes while the copy stands still is more than the store had room for."""
    with Load(world.primary) as load:
        load.calm_down()
        under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
        moment = time.monotonic()
        for number in (1, 2):
            under_way.fill(STORE_MIB * 3 // 4)
            until(SEEN_S_MAX, lambda n=number: sizes(under_way.run) >= n, "an extension")
        worst = load.worst_ms(moment)
        under_way.go_on()
        done = under_way.ended(DONE, f"to {STORE_MIB * 2} MiB")
    expect(worst < GOES_ON_MS_MAX, f"a writer waited {worst:.0f} ms")
    record = manifest(done.published())
    expect(0 < record["cow_percent"] < 100, f"recorded: {record['cow_percent']} %")
    world.require_clean_slate()
    return {"worst_commit_ms": round(worst), "cow_percent": record["cow_percent"]}


def sizes(of):
    return sum("extended 'lab/" in line for line in of.out)


def cow_extension_dies(world):
    """Somebody kills lvm while it has the origin suspended for an extension: the writers go on.
    Some tries come too late for that, and then all was well."""
    return extension_met(world, PRIMARY_DEVICE)


def cow_extension_dies_below(world):
    """The same a moment later, when the device below the origin is suspended as well."""
    return extension_met(world, f"{PRIMARY_DEVICE}-real")


def cow_extension_dies_with_us(world):
    """Both are killed while the origin is suspended: `recover`, which the boot unit calls as well,
    lets the writers go on."""
    return both_met(world, PRIMARY_DEVICE)


def cow_extension_dies_below_with_us(world):
    """The same a moment later, when the device below the origin is suspended as well."""
    return both_met(world, f"{PRIMARY_DEVICE}-real")


def both_met(world, device):
    for _ in range(LATE_TRIES_MAX):
        figures = both_killed(world, Device(device))
        if figures:
            return figures
    raise Failed("lvextend was never met in its suspend: this shows nothing")


def both_killed(world, device):
    """What `recover` did for the writers; nothing if lvm had gone on when it died."""
    with Load(world.primary) as load:
        load.calm_down()
        under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
        death = striking(under_way, device, [under_way.run.process.pid])
        filling = under_way.fill_beside(STORE_MIB * 3 // 4)
        until(SEEN_S_MAX, lambda: told_of_an_extension(under_way.run), "an extension")
        death.over.set()
        death.join()
        stands = bool(death.found) and device.is_suspended()
        if under_way.run.process.poll() is None:
            under_way.run.process.kill()
        under_way.run.wait()
        moment = time.monotonic()
        recovered = run_tool("recover", under_way.path).ended(DONE)
        resumed = load.resume_ms(moment)
        filling.wait()
        under_way.tidy()
    device.close()
    world.require_clean_slate()
    if not stands:
        return None
    return {"recover_s": f"{recovered.seconds:.1f}", "resumed_ms": round(resumed)}


def striking(under_way, device, more=()):
    """Kills lvextend, and more, while it has the device suspended."""
    running = under_way.run.process.pid
    # To find it takes longer than the suspend, so it is found before.
    return Interference(
        lambda: child(running, "lvextend"),
        lambda: struck(child(running, "lvextend"), device, more),
        poll_s=FIND_POLL_S,
    )


def struck(lvextend, device, more):
    """The number of the dead; nothing if the device was never met suspended."""
    while lvextend and not is_over(lvextend):
        if device.is_suspended():
            os.kill(lvextend, signal.SIGSTOP)
            if device.is_suspended():
                for one in (lvextend, *more):
                    os.kill(one, signal.SIGKILL)
                return lvextend
            os.kill(lvextend, signal.SIGCONT)
        time.sleep(POLL_S)
    return None


def extension_met(world, device):
    for _ in range(LATE_TRIES_MAX):
        figures = extension_killed(world, Device(device))
        if figures["exit"] == ROLLED_BACK:
            return figures
    raise Failed("lvextend was never met in its suspend: this shows nothing")


def extension_killed(world, device):
    with Load(world.primary) as load:
        load.calm_down()
        under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
        moment = time.monotonic()
        death = striking(under_way, device)
        under_way.fill(STORE_MIB * 3 // 4)
        until(SEEN_S_MAX, lambda: told_of_an_extension(under_way.run), "an extension")
        met = death.found
        death.over.set()
        if under_way.run.process.poll() is None:
            under_way.go_on()
        under_way.run.wait()
        worst = load.worst_ms(moment)
    device.close()
    code, ends = under_way.run.code, (ROLLED_BACK, DONE) if met else (DONE,)
    expect(code in ends, f"exit {code}: {under_way.run.words()}")
    under_way.ended(code, *(("left suspended",) if code == ROLLED_BACK else ()))
    expect(worst < GOES_ON_MS_MAX, f"a writer waited {worst:.0f} ms")
    world.require_clean_slate()
    return {"exit": code, "worst_commit_ms": round(worst)}


def told_of_an_extension(of):
    return of.process.poll() is not None or any("extended" in line for line in of.out)


def cow_will_not_last(world):
    """A store that may not grow is given up before it is lost."""
    under_way = Copying(world.primary, snapshot=store_size())
    under_way.fill(STORE_MIB - 2)
    done = under_way.ended(
        ROLLED_BACK, "is not extended: it has", "will not last", "cow_percent_stop", "hint:"
    )
    world.require_clean_slate()
    return {"exit": done.code}


def cow_finds_no_room(world):
    """A store that may grow, in a group that has nothing left."""
    under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
    try:
        run("lvcreate", "-qq", "-y", "-Wn", "-Zn", "-n", HOG, "-l", "100%FREE", VG)
        under_way.fill(STORE_MIB - 2)
        done = under_way.ended(ROLLED_BACK, f"nothing is free in the volume group '{VG}'")
    finally:
        run("lvremove", "-qq", "-y", f"{VG}/{HOG}", check=False)
    world.require_clean_slate()
    return {"exit": done.code}


def cow_overflows(world):
    """The store is lost between two looks: what was copied is not published."""
    under_way = Copying(world.primary, snapshot=store_size())
    os.kill(under_way.run.process.pid, signal.SIGSTOP)
    device = snapshot()
    under_way.fill(STORE_MIB + 8)
    until(SEEN_S_MAX, lambda: "Invalid" in run("dmsetup", "status", device), "the overflow")
    os.kill(under_way.run.process.pid, signal.SIGCONT)
    under_way.go_on()
    done = under_way.ended(ROLLED_BACK, "is lost", "hint:")
    world.require_clean_slate()
    return {"exit": done.code}


def cow_disk_breaks(world):
    """The store's disk gives errors: the kernel gives the snapshot up, and the server goes on."""
    with Load(world.primary) as load:
        load.calm_down()
        under_way = Copying(world.primary, snapshot=store_size())
        moment = time.monotonic()
        breaks(f"{snapshot()}-cow")
        under_way.fill(4)
        under_way.go_on()
        done = under_way.ended(ROLLED_BACK, "is lost")
        worst = load.worst_ms(moment)
    expect(worst < GOES_ON_MS_MAX, f"a writer waited {worst:.0f} ms")
    world.require_clean_slate()
    return {"exit": done.code, "worst_commit_ms": round(worst)}


def cow_disk_flickers(world):
    """The store's disk works, and then it does not: the snapshot is given up."""
    under_way = Copying(world.primary, snapshot=store_size())
    breaks(f"{snapshot()}-cow", f"flakey {{rest}} {SOUND_S} {BROKEN_S}")
    until(SEEN_S_MAX, lambda: "Invalid" in flicker(under_way), "the snapshot to be lost")
    under_way.go_on()
    done = under_way.ended(ROLLED_BACK, "is lost")
    world.require_clean_slate()
    return {"exit": done.code}


def flicker(under_way):
    under_way.fill(1)
    return run("dmsetup", "status", snapshot())


def cow_disk_is_slow(world):
    """Every access to the store takes its time: the backup takes longer, and is one."""
    under_way = Copying(world.primary, snapshot=store_size(most=STORE_MIB * 4))
    breaks(f"{snapshot()}-cow", "delay {rest} " + str(SLOW_MS))
    under_way.fill(4)
    under_way.go_on()
    done = under_way.ended(DONE)
    world.require_clean_slate()
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


CASES = [
    cow_is_extended,
    cow_extension_dies,
    cow_extension_dies_below,
    cow_extension_dies_with_us,
    cow_extension_dies_below_with_us,
    cow_will_not_last,
    cow_finds_no_room,
    cow_overflows,
    cow_disk_breaks,
    cow_disk_flickers,
    cow_disk_is_slow,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
