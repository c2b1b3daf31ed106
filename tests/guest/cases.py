"""The cases by name, and the groups in which scripts/test runs them."""

import os
import time
import zlib

import case_audit
import case_backup
import case_bench
import case_bench_data
import case_catalog
import case_conformance
import case_cow
import case_demo
import case_destination
import case_drill
import case_errors
import case_hang
import case_hostile
import case_init
import case_least
import case_links
import case_monitoring
import case_offsite
import case_package
import case_pages
import case_policy
import case_prepare
import case_restore
import case_retention
import case_server
import case_signals
import case_stall
import case_storage
import case_surroundings
import case_systemd
import case_tcp
import case_thin
import case_verify
import case_volumes
import case_window
import case_wrong

SECONDS_A_DAY = 86_400
TODAY = "_today"
ONE_IN, ONE_IN_OF = 7, {"faults": 14}


def of_today(group):
    """`GROUP_today`: one in so many of its cases, others each day, and others on each guest."""
    name = group.removesuffix(TODAY)
    turn = int(time.time()) // SECONDS_A_DAY + zlib.crc32(os.uname().release.encode())
    one_in = min(ONE_IN_OF.get(name, ONE_IN), len(GROUPS[name]))
    return [case for number, case in enumerate(GROUPS[name]) if (number - turn) % one_in == 0]


STORAGE = case_cow.CASES + case_storage.CASES + case_destination.CASES
FAULTS = STORAGE + case_server.CASES + case_surroundings.CASES

GROUPS = {
    "backups": case_backup.CASES,
    "wrong": case_wrong.CASES,
    "audit": case_audit.CASES,
    "errors": case_errors.CASES,
    "signals": case_signals.CASES,
    "kills": case_signals.KILLS,
    "explicit": case_signals.EXPLICIT,
    "window": case_window.CASES,
    "policy": case_policy.CASES,
    "stall": case_stall.CASES,
    "hang": case_hang.CASES,
    "storage": STORAGE,
    "server": case_server.CASES,
    "least": case_least.CASES,
    "offsite": case_offsite.CASES,
    "package": case_package.CASES,
    "pages": case_pages.CASES,
    "init": case_init.CASES,
    "monitoring": case_monitoring.CASES,
    "retention": case_retention.CASES,
    "restore": case_restore.CASES + case_prepare.CASES,
    "verify": case_verify.CASES,
    "links": case_links.CASES,
    "catalog": case_catalog.CASES,
    "drill": case_drill.CASES,
    "surroundings": case_surroundings.CASES,
    "systemd": case_systemd.CASES,
    "faults": FAULTS,
    "hostile": case_hostile.MATRIX,
    "hostile_few": case_hostile.GATE,
    "two_volumes": case_volumes.CASES,
    "thin": case_thin.CASES,
    "tcp": case_tcp.CASES,
    "bench": case_bench.CASES + case_bench_data.CASES + case_links.BENCHES,
    "conformance": case_conformance.CASES,
    "demo": case_demo.CASES,
}
ALL = list(dict.fromkeys(case for group in GROUPS.values() for case in group))
