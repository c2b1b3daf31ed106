"""The benchmark's figures as text: medians by way, and what they are of the textbook's.

Rows come in as the guests measured them; nothing is measured or left out here.
"""

import statistics
from collections import Counter

ORDER = (
    "textbook",
    "mylvmbackup",
    "holdstill-ftwrl",
    "holdstill-ftwrl-late",
    "holdstill-stage",
    "holdstill-stage-late",
    "holdstill-none",
    "floor",
)
BASELINE = "textbook"
NONE = "-"
HEADER = ("way", "runs", "waited", "locked", "least..most", "ratio", "suspended")
HEADER += ("worst", "ratio", "p99", "total")
EXPLAINED = """\
waited     from asking for the lock to having it
locked     from having the lock to having released it, and from the least to the most of all runs
ratio      to the textbook's median
suspended  of that, the time in which device-mapper held the origin, seen by a look each millisecond
           ('-': none was seen), or told by holdstill; floor: with the filesystem's flush before it
worst      the slowest commit of any writer, from half a second before a run to after its end
p99        of the same commits: a short run has few of them
total      the run from start to end; holdstill's has a whole copy in it, the others' only a mount
floor      device-mapper's suspend and resume alone, without lock, snapshot or process
none       on a replica that stands, without a lock; worst and p99 are its primary's writers'
"""
COPY, READ = "rsync -a", "cat"
# Each way with bytes, and the plain one beside which it is measured.
DATA_BASE = {
    COPY: COPY,
    "cp -a": COPY,
    "holdstill: copied": COPY,
    "holdstill: copied, read back, summed": COPY,
    "holdstill: whole run": COPY,
    "mariadb-backup: copied": COPY,
    "mariadb-backup: copied and prepared": COPY,
    READ: READ,
    "holdstill: read back, summed": READ,
    "holdstill verify": READ,
    "holdstill drill": READ,
}
DATA_EXPLAINED = """\
copied     from a mounted snapshot with cold pages; the snapshot itself is counted in the whole run
           alone; mariadb-backup reads the files of the running server and its log
prepared   the server's log applied to the copy, before which no server starts on it
verify     every byte of the backup read from cold pages, its sum and its pages checked; a drill
           starts a server on a throw-away copy and checks its tables
"""
FULL, MIB = "full", 1 << 20
LINKS_EXPLAINED = """\
ms         the copy, with what is linked, and the reading back of what was copied
copied     bytes that were read from the snapshot and written
disk       what the backup takes beside the one before, as du counts files of several names
ratio      to a full backup's
"""


def draw(about, rows, notes):
    parts = [title(about), "Medians in milliseconds, under four writers.\n"]
    for volume, devices in places(rows):
        parts.append(section(volume, devices, rows, notes))
    parts += [notes_text(notes), EXPLAINED]
    return "\n".join(part for part in parts if part)


def draw_data(about, rows):
    """The ways with bytes: each beside the plain one that does the same work."""
    ways = {way: [row for row in rows if row["way"] == way] for way in DATA_BASE}
    measured = {way: statistics.median(row["ms"] for row in ways[way]) for way in ways if ways[way]}
    lines = [("way", "runs", "ms", "MiB", "MiB/s", "ratio", "to")]
    for way, ms in measured.items():
        mib, base = ways[way][0]["mib"], DATA_BASE[way]
        cells = (number(ms), number(mib), number(mib * 1000 / ms), ratio(ms, measured.get(base)))
        lines.append((way, str(len(ways[way])), *cells, base))
    return f"{title(about)}\nMedians.\n\n{columns(lines)}\n{DATA_EXPLAINED}"


def draw_links(about, rows):
    """Backups with links, beside full ones of the same tree."""
    keys = ("ms", "copied", "used")
    ways = {row["way"]: [one for one in rows if one["way"] == row["way"]] for row in rows}
    measured = {
        way: [statistics.median(one[key] for one in ways[way]) for key in keys] for way in ways
    }
    lines = [("way", "runs", "ms", "ratio", "copied MiB", "ratio", "disk MiB", "ratio")]
    for way, figures in measured.items():
        cells = [str(len(ways[way]))]
        for key, figure, base in zip(keys, figures, measured[FULL], strict=True):
            cells += [number(figure if key == "ms" else figure / MIB), ratio(figure, base)]
        lines.append((way, *cells))
    return f"{title(about)}\nMedians.\n\n{columns(lines)}\n{LINKS_EXPLAINED}"


def title(about):
    return f"{about['guest']}: {about['server']}, {about['kernel']} ({about['machine']})"


def places(rows):
    """(volume, further devices), the main rounds first."""
    found = {(row["volume"], row["devices"]) for row in rows}
    return sorted(found, key=lambda place: (place[1] > 0, place))


def summary(rows, notes, volume, devices):
    """By way, in order: its medians, or None where there is nothing but a note."""

    def here(some, way):
        return [
            one
            for one in some
            if (one["volume"], one["devices"], one["way"]) == (volume, devices, way)
        ]

    known = {way: (here(rows, way), here(notes, way)) for way in ORDER}
    return {
        way: summary_of(measured) if measured else None
        for way, (measured, noted) in known.items()
        if measured or noted
    }


def summary_of(rows):
    locked = [row["locked_ms"] for row in rows if row["locked_ms"] is not None]
    return {key: median(rows, key) for key in rows[0] if key.endswith("_ms")} | {
        "runs": len(rows),
        "range": f"{number(min(locked))}..{number(max(locked))}" if locked else NONE,
    }


def median(rows, key):
    known = [row[key] for row in rows if row[key] is not None]
    return statistics.median(known) if known else None


def section(volume, devices, rows, notes):
    ways = summary(rows, notes, volume, devices)
    base = ways.get(BASELINE) or {}
    lines = [HEADER]
    for way, has in ways.items():
        cells = cells_of(has, base) if has else [NONE] * (len(HEADER) - 1)
        lines.append((way, *cells))
    return f"{place_name(volume, devices)}\n{columns(lines)}"


def place_name(volume, devices):
    return f"{volume} volume" + (f", {devices} further block devices" if devices else "")


def cells_of(has, base):
    return (
        str(has["runs"]),
        number(has["waited_ms"]),
        number(has["locked_ms"]),
        has["range"],
        ratio(has["locked_ms"], base.get("locked_ms")),
        number(has["suspended_ms"]),
        number(has["worst_commit_ms"]),
        ratio(has["worst_commit_ms"], base.get("worst_commit_ms")),
        number(has["p99_commit_ms"]),
        number(has["total_ms"]),
    )


def columns(lines):
    """The first and the last column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = ""
    for first, *figures, last in lines:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(figures, widths[1:])]
        text += "  ".join([*cells, last]).rstrip() + "\n"
    return text


def number(value):
    if value is None:
        return NONE
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def ratio(value, base):
    return NONE if value is None or not base else f"{value / base:.2f}"


def notes_text(notes):
    """Each reason once, with the ways that it hit."""
    told = {}
    for note in notes:
        place = place_name(note["volume"], note["devices"])
        told.setdefault((place, note["kind"], note["why"]), Counter())[note["way"]] += 1
    return "".join(
        f"{place}: {kind}: {', '.join(map(times, ways.items()))}: {why}\n"
        for (place, kind, why), ways in told.items()
    )


def times(way_and_count):
    way, count = way_and_count
    return f"{way} ({count} times)" if count > 1 else way
