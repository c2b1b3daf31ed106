"""The proof is proven: a backup taken in a deliberately wrong way must not pass the oracle.

Only the attached replica is asked, not the invariants: it has to break or to differ. The same
worlds with the right binary are case_backup's.
"""

from base import Failed
from case_backup import EXT4_BY_POSITION, XFS_BY_GTID
from load import Load
from oracle import Broken, discard, prove_attached, restore
from tool import WRONG, config, run_tool

ATTEMPTS_MAX = 3


def must_be_noticed(world, server, design):
    for attempt in range(1, ATTEMPTS_MAX + 1):
        verdict = attach_wrong_backup(world, server, design)
        if verdict:
            return {"attempt": attempt, "noticed": f"'{verdict[:120]}'"}
    raise Failed(f"the oracle let '{design}' pass {ATTEMPTS_MAX} times")


def attach_wrong_backup(world, server, design):
    """What the oracle says, or None if it was content."""
    with Load(world.primary) as load:
        # With the lock late, a suspend follows so soon that a picture may be whole by chance.
        path = config(server, lock={"when": "first"})
        run = run_tool("backup", path, WRONG, HOLDSTILL_WRONG=design).ended(0)
        load.calm_down()
        restored = restore(run.published(), world.kind.gtid)
        try:
            prove_attached(
                restored, run.published(), world.primary, load, edit=server is world.primary
            )
        except Broken as verdict:
            return str(verdict)
        finally:
            discard(restored)
    return None


def wrong_no_lock(world):
    return must_be_noticed(world, world.primary, "no-lock")


def wrong_lock_dropped_before_suspend(world):
    return must_be_noticed(world, world.primary, "lock-dropped-before-suspend")


def wrong_receiver_position(world):
    return must_be_noticed(world, world.replica, "receiver-position")


# On a replica with its SQL thread stopped nothing writes, so a missing lock would not show: the two
# wrong locks are tried where the writers are. A delayed replica keeps its receiver ahead for sure.
wrong_no_lock.kind = wrong_lock_dropped_before_suspend.kind = XFS_BY_GTID
wrong_receiver_position.kind = EXT4_BY_POSITION
CASES = [wrong_no_lock, wrong_lock_dropped_before_suspend, wrong_receiver_position]
