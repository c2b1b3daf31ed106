"""The first configuration, as an operator without one gets it: asked of the real machine, with two
servers that run on it.
"""

import shutil
import stat
from pathlib import Path

import tool
from base import BACKUPS, HOME, expect, fresh_directory
from case_backup import XFS_BY_GTID
from tool import PASSWORD, Run, config, run_tool

DONE, USAGE, REFUSED = 0, 2, 3
OF_INIT = HOME / "of-init"  # nothing is there but what a case has init make
CREATED = OF_INIT / "made" / "holdstill.toml"


def asked(server, option_file=True, destination=True):
    """What an operator types where two servers run."""
    words = ["init", "--socket", str(server.socket)]
    if destination:
        words += ["--destination", str(BACKUPS)]
    if option_file:
        config(server)  # it writes the option file as well
        words += ["--option-file", str(tool.CONFIGS / "client.cnf")]
    return " ".join(words)


def written(world, server, command):
    """Has a configuration written, and proves it: checked, audited, closed, never overwritten."""
    shutil.rmtree(OF_INIT, ignore_errors=True)
    before = world.fingerprint()
    done = run_tool(command, CREATED).ended(DONE)
    told = "\n".join(done.out + done.err)
    expect("pass  audit" in told, f"the audit does not pass: {told}")
    expect(PASSWORD not in told + CREATED.read_text(), "the password was told")
    for path, mode in ((CREATED, 0o600), (CREATED.parent, 0o700)):
        found = stat.S_IMODE(path.stat().st_mode)
        expect(found == mode, f"'{path}' has the mode {found:o}")
    expect(str(server.socket) in CREATED.read_text(), "it is for another server")
    checked = run_tool("config check", CREATED).ended(DONE)
    expect("is right" in checked.out[0] and len(checked.out) == 1, f"not one line: {checked.out}")
    run_tool("audit", CREATED).ended(DONE)
    again(command)
    expect(world.fingerprint() == before, "something else was touched")
    return done


def again(command):
    """What is there stays as it is."""
    text = CREATED.read_text() + "# mine\n"
    CREATED.write_text(text)
    refused = run_tool(command, CREATED).ended(REFUSED)
    told = "\n".join(refused.err)
    expect("never overwritten" in told and "hint:" in told, f"unclear: {refused.words()}")
    expect(CREATED.read_text() == text, "it was overwritten")
    left = sorted(path.name for path in CREATED.parent.iterdir())
    expect(left == [CREATED.name], f"something was left beside it: {left}")


def init_of_a_replica(world):
    done = written(world, world.replica, asked(world.replica))
    expect(", a replica" in "\n".join(done.out), f"not seen to be a replica: {done.out}")
    backup = Run("backup", CREATED).wait().ended(DONE)
    backup.published()
    world.require_clean_slate()
    return {"lines": len(CREATED.read_text().splitlines()), "took_s": f"{done.seconds:.1f}"}


def init_of_a_primary(world):
    """Root is let in by the socket, and the only place for backups is found without being named."""
    command = asked(world.primary, option_file=False, destination=False)
    done = written(world, world.primary, command)
    told = "\n".join(done.out)
    expect("not a replica" in told, f"not seen to be a primary: {told}")
    expect("GRANT RELOAD" in told and "#option_file" in CREATED.read_text(), f"no account: {told}")
    expect(f'directory = "{BACKUPS}"' in CREATED.read_text(), "another destination")
    return {"took_s": f"{done.seconds:.1f}"}


def init_chooses_no_server(world):
    """Both are named, and nothing is written."""
    shutil.rmtree(OF_INIT, ignore_errors=True)
    done = run_tool("init", CREATED).ended(REFUSED)
    told = "\n".join(done.err)
    for server in (world.primary, world.replica):
        for word in (server.socket, server.datadir, server.process.pid):
            expect(str(word) in told, f"does not name '{word}': {told}")
    expect("--socket" in told and not OF_INIT.exists(), f"no hint, or it wrote: {told}")
    return {"exit": done.code}


def init_dry_run(world):
    """The file goes to standard output, and what is said of it elsewhere."""
    fresh_directory(OF_INIT)
    before = world.fingerprint()
    done = run_tool(f"{asked(world.replica)} --dry-run", CREATED).ended(DONE)
    expect(not list(OF_INIT.iterdir()), "a dry run wrote something")
    expect(world.fingerprint() == before, "a dry run touched something")
    expect("nothing was touched" in "\n".join(done.err), f"does not say so: {done.err}")
    CREATED.parent.mkdir(mode=0o700)
    CREATED.write_text("\n".join(done.out) + "\n")
    run_tool("config check", CREATED).ended(DONE)
    return {"lines": len(done.out)}


def init_refuses_what_cannot_be(world):
    """A destination on the data, and one that is not there: nothing is written."""
    shutil.rmtree(OF_INIT, ignore_errors=True)
    command = asked(world.replica, destination=False)
    for place, code in ((Path(world.replica.datadir), REFUSED), (Path("/nowhere"), USAGE)):
        done = run_tool(f"{command} --destination {place}", CREATED).ended(code)
        told = "\n".join(done.err)
        expect(str(place) in told and "hint:" in told, f"unclear: {done.words()}")
    expect(not OF_INIT.exists(), "it wrote all the same")
    return {"exit": done.code}


def config_shows_what_it_means(world):
    """What is shown can be fed back, and means the same; no password is told."""
    path = config(world.replica, lock={"tries_max": 5})
    once = run_tool("config show", path).ended(DONE)
    expect(PASSWORD not in "\n".join(once.out), "the password was told")
    expect(any("tries_max = 5" in line and "# tries; line" in line for line in once.out), "no line")
    fed_back = tool.CONFIGS / "fed-back.toml"
    fed_back.write_text("\n".join(once.out) + "\n")
    run_tool("config check", fed_back).ended(DONE)
    twice = run_tool("config show", fed_back).ended(DONE)
    values = [[line.split("  #")[0] for line in run.out[1:]] for run in (once, twice)]
    expect(values[0] == values[1], "fed back, it means something else")
    return {"lines": len(once.out)}


CASES = [
    init_of_a_replica,
    init_of_a_primary,
    init_chooses_no_server,
    init_dry_run,
    init_refuses_what_cannot_be,
    config_shows_what_it_means,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
