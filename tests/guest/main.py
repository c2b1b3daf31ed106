#!/usr/bin/env python3
"""Runs cases of the lab by name and says how each went: `main.py CASE... [KEY=VALUE...]`.

`main.py --list` names them. The last line is `N passed, N failed`. Exit 0 only if every case asked
for has passed.
"""

import sys
import time
import traceback

import cases
import power
import world
from base import SETTINGS, Failed, NotRun
from server import version


def main(names):
    if names == ["--list"]:
        return list_cases()
    note = power.came_back()
    if note:
        return power.go_on(note)
    SETTINGS.update(name.split("=", 1) for name in names if "=" in name)
    phases = [phase for name in names for phase in POWER.get(name, [])]
    words = [name for name in names if "=" not in name and name not in POWER]
    chosen = by_world(list(dict.fromkeys(case for name in words for case in choose(name))))
    print(f"lab: {version()}, {len(chosen) + len(phases)} cases", flush=True)
    results = [run_case(case) for case in chosen]
    passed, failed = results.count(True), results.count(False)
    if phases:  # last: nothing but a note lives through them
        return power.begin(phases, passed, failed)
    world.forget()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if chosen and all(results) else 1


# The power fails in each of these phases, when all other cases are over.
POWER = {"power": power.ALL, "power_today": power.today()}
POWER |= {f"power_{phase}": [phase] for phase in power.ALL}


def choose(name):
    if name in cases.GROUPS:
        return cases.GROUPS[name]
    if name.removesuffix(cases.TODAY) in cases.GROUPS:
        return cases.of_today(name)
    found = [case for case in cases.ALL if case.__name__ == name]
    if not found:
        sys.exit(f"no case or group '{name}'; there are: {' '.join(names_of_all())}")
    return found


def by_world(chosen):
    """The cases of one world together, else as asked: building a world takes long."""
    kinds = list(dict.fromkeys(case.kind for case in chosen))
    return sorted(chosen, key=lambda case: kinds.index(case.kind))


def run_case(case):
    """One line: `ok NAME figures` or `not ok NAME reason`."""
    began = time.monotonic()
    try:
        figures = case(world.have(case.kind))
        line, passed = f"ok {case.__name__}", True
        line += "".join(f"  {key}={value}" for key, value in (figures or {}).items())
    except (Failed, NotRun) as reason:
        line, passed = f"not ok {case.__name__}  {reason}", False
    except Exception as error:  # a bug of the lab itself is a failure too, told in full
        traceback.print_exc()
        line, passed = f"not ok {case.__name__}  {type(error).__name__}: {error}", False
    print(f"{line}  ({time.monotonic() - began:.1f} s)", flush=True)
    if not passed:
        forget_quietly()
    return passed


def forget_quietly():
    """After a failure the world is not trusted any more; its removal may fail as well."""
    try:
        world.forget()
    except Exception as error:
        print(f"lab: could not tear down the world: {error}", flush=True)
        world._current = None


def names_of_all():
    return [*cases.GROUPS, *POWER, *(case.__name__ for case in cases.ALL)]


def list_cases():
    for name, members in cases.GROUPS.items():
        print(f"{name}: {' '.join(case.__name__ for case in members)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
