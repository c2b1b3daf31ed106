"""What is told of backups that are there: list, show and report, on a real one and its ruins.

A state directory and a destination of its own: what other cases have left must not count.
"""

import json
import os
import pty
import re
import shutil
import signal
from pathlib import Path

from base import BACKUPS, expect, fresh_directory
from case_backup import XFS_BY_GTID
from tool import RELEASED, WRONG, Run, config, run_tool

DONE, USAGE = 0, 2
PLACE = Path("/run/catalog")
STATE = PLACE / "state"
PAGE = PLACE / "page.html"
SHELF = BACKUPS / "catalog"
COLUMNS = 80


def anew(world):
    """A configuration whose runs leave their traces where no other case does; its path."""
    for place in (PLACE, SHELF):
        fresh_directory(place)
    SHELF.chmod(0o700)
    return config(
        world.replica, top={"state_dir": str(STATE)}, destination={"directory": str(SHELF)}
    )


def over(world):
    world.require_clean_slate()
    shutil.rmtree(SHELF)


def listed(path):
    """The array of `list --json`."""
    return json.loads("\n".join(run_tool("list --json", path).ended(DONE).out))


def names():
    return sorted(one.name for one in SHELF.iterdir() if not one.name.startswith("."))


def catalog_tells_of_a_backup(world):
    """The same of one backup in every form: the table, in full, as JSON, and as a page."""
    path = anew(world)
    none = run_tool("list", path).ended(DONE)
    expect(none.out[0].startswith("no backups in "), f"nothing there: {none.out}")
    run_tool("show", path).ended(USAGE)
    run_tool("backup", path).ended(DONE)
    [name] = names()
    record = json.loads((SHELF / name / "backup.json").read_text())
    [one] = listed(path)
    expect(one["state"] == "published", f"not published: {one}")
    expect(one["bytes"] == record["copied"]["bytes"], f"another size: {one}")
    expect(one["locked_ms"] == record["window"]["locked_ms"], f"another window: {one}")
    expect(one["position"] and one["took_ms"] > 0, f"something is missing: {one}")
    table = run_tool("list", path).ended(DONE).out
    expect(name in table[1] and "1 backup of " in table[-1], f"the table: {table}")
    shown = "\n".join(run_tool(f"show {name[:15]}", path).ended(DONE).out)
    words = [name, record["server"]["text"], record["sources"][0]["lv"], "coordinates.sql", "copy "]
    words += [channel["host"] for channel in record["coordinates"]["channels"]]
    missing = [word for word in words if word not in shown]
    expect(not missing, f"not shown: {missing} in {shown}")
    whole = json.loads("\n".join(run_tool("show --json", path).ended(DONE).out))
    expect(whole["record"] == record, "the record is not shown as it is")
    expect(whole["outcome"]["exit"] == 0, f"the outcome: {whole['outcome']}")
    unknown = run_tool("show 19990101T000000Z-000000", path).ended(USAGE)
    expect(name in "\n".join(unknown.err), f"no near name: {unknown.err}")
    page = "\n".join(run_tool("report", path).ended(DONE).out)
    for word in ("<h1>OK: ", name, "<svg", "Lock windows"):
        expect(word in page, f"not on the page: {word}")
    over(world)
    return {"page_bytes": len(page)}


def catalog_tells_of_ruins(world):
    """A run that was killed, one that failed, a record that is cut, a name of somebody's."""
    path = anew(world)
    run_tool("backup", path).ended(DONE)
    [name] = names()
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    [alive] = [one for one in listed(path) if one["state"] == "partial"]
    expect("is making it" in alive["problem"], f"a run that is alive: {alive}")
    os.kill(held.process.pid, signal.SIGKILL)
    held.wait()
    [dead] = [one for one in listed(path) if one["state"] == "partial"]
    expect("holdstill recover" in (dead["hint"] or ""), f"a run that is dead: {dead}")
    cut = "20200101T000000Z-00000a"
    (SHELF / cut).mkdir()
    (SHELF / cut / "backup.json").write_text("{")
    odd = SHELF / "<script>alert(1)<"
    odd.mkdir()
    (odd / "backup.json").write_text("{}")
    states = {one["run"]: one["state"] for one in listed(path)}
    wanted = {cut: "unreadable", odd.name: "not ours", name: "published", dead["run"]: "partial"}
    expect(states == wanted, f"the states: {states}")
    run_tool(f"report --output {PAGE}", path).ended(DONE)
    page = PAGE.read_text()
    expect("<h1>CRITICAL: " in page, "a run that died is no alarm")
    expect("<script" not in page and "&lt;script&gt;" in page, "a name became mark-up")
    expect(PAGE.stat().st_mode & 0o777 == 0o600, f"mode {PAGE.stat().st_mode:o}")
    run_tool("recover", path, RELEASED).ended(DONE)
    expect(dead["run"] not in [one["run"] for one in listed(path)], "it is still told")
    run_tool(f"report --output {PAGE}", path).ended(DONE)
    expect("it died, or was not sure" in PAGE.read_text(), "the death is not on the page")
    run_tool(f"report --output {SHELF / name / 'backup.json'}", path).ended(USAGE)
    json.loads((SHELF / name / "backup.json").read_text())
    over(world)
    return {"states": len(states)}


def catalog_fits_a_terminal(world):
    """On a terminal of 80 columns no line of the table is longer, and a page is refused."""
    path = anew(world)
    run_tool("backup", path).ended(DONE)
    code, text = on_a_terminal(f"list --config {path}")
    lines = [line for line in text.splitlines() if "hint: " not in line]
    expect(code == DONE and len(lines) >= 3, f"{code}: {text}")
    expect(max(map(len, lines)) <= COLUMNS, f"too wide: {text}")
    code, text = on_a_terminal(f"report --config {path}")
    expect(code == USAGE and "hint: " in text and "<html" not in text, f"{code}: {text}")
    over(world)
    return {"lines": len(lines)}


def on_a_terminal(words):
    """The exit code, and what is shown on a terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("sh", ["sh", "-c", f"stty cols {COLUMNS} rows 24; exec {RELEASED} {words}"])
    shown = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace"))
    return os.waitstatus_to_exitcode(status), text.replace("\r", "")


CASES = [catalog_tells_of_a_backup, catalog_tells_of_ruins, catalog_fits_a_terminal]
for _case in CASES:
    _case.kind = XFS_BY_GTID
