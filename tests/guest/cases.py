"""The cases by name, and the groups in which scripts/test runs them."""

import case_backup
import case_bench
import case_conformance
import case_demo
import case_errors
import case_hang
import case_hostile
import case_least
import case_policy
import case_signals
import case_speed
import case_server
import case_stall
import case_storage
import case_tcp
import case_thin
import case_volumes
import case_window
import case_wrong

GROUPS = {
    "backups": case_backup.CASES,
    "wrong": case_wrong.CASES,
    "errors": case_errors.CASES,
    "signals": case_signals.CASES,
    "kills": case_signals.KILLS,
    "explicit": case_signals.EXPLICIT,
    "window": case_window.CASES,
    "policy": case_policy.CASES,
    "stall": case_stall.CASES,
    "hang": case_hang.CASES,
    "storage": case_storage.CASES,
    "server": case_server.CASES,
    "least": case_least.CASES,
    "hostile": case_hostile.MATRIX,
    "hostile_few": case_hostile.GATE,
    "two_volumes": case_volumes.CASES,
    "thin": case_thin.CASES,
    "tcp": case_tcp.CASES,
    "speed": case_speed.CASES,
    "bench": case_bench.CASES,
    "conformance": case_conformance.CASES,
    "demo": case_demo.CASES,
}
ALL = [case for group in GROUPS.values() for case in group]
