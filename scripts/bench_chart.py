"""The benchmark's medians as a picture: an SVG with its own light card, readable on any background.

For each way one bar of what the lock cost, and below it a thin one of what a writer felt.
"""

from html import escape

from bench_table import NONE, number, place_name, places, summary, title

WIDTH, MARGIN, LABEL, VALUES = 940, 24, 176, 218
LEFT, RIGHT = MARGIN + LABEL, WIDTH - MARGIN - VALUES
BAR, THIN, GAP = 16, 6, 18  # heights: the lock's bar, the commit's, and to the next way
ROW = BAR + 2 + THIN + GAP
TICKS = 5

# Told apart by most colour-blind eyes as well (Okabe and Ito).
WAITED, LOCKED, SUSPENDED, WORST = "#e69f00", "#56b4e9", "#004f87", "#b4607f"
LEGEND = (
    (WAITED, "waited for the lock"),
    (LOCKED, "locked"),
    (SUSPENDED, "how much of that the origin was suspended"),
    (WORST, "worst commit of a writer"),
)
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 17px; font-weight: 600; }
.head { font-size: 13px; font-weight: 600; }
.small { font-size: 11px; fill: #57606a; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.grid { stroke: #d0d7de; stroke-width: 1; }
"""


def draw(about, rows, notes):
    panels = {place_name(*place): summary(rows, notes, *place) for place in places(rows)}
    most = max(map(reach, panels.values()), default=1)  # one scale, so that panels compare
    body, top = heading(about), 92
    for name, ways in panels.items():
        panel, top = draw_panel(name, ways, most, top)
        body += panel
    height = top + 6
    card = f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10" '
    card += 'fill="#fcfcfb" stroke="#d0d7de"/>\n'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>{escape(title(about))}</title>\n<style>\n{STYLE}</style>\n{card}{body}</svg>\n"
    )


def heading(about):
    lines = text(MARGIN, 36, "How long the server holds still for a snapshot", "title")
    lines += text(MARGIN, 56, f"{title(about)}; milliseconds, medians, under four writers", "small")
    at = MARGIN
    for colour, words in LEGEND:
        lines += bar(at, 68, 12, 10, colour) + text(at + 17, 77, words, "small")
        at += 40 + 6.2 * len(words)
    return lines


def draw_panel(name, ways, most, top):
    """One volume and number of devices; the picture, and where the next panel begins."""
    first = top + 40
    bottom = first + ROW * len(ways) - GAP // 2
    scale = (RIGHT - LEFT) / most
    lines = text(MARGIN, top + 18, f"{name}, {runs_of(ways)}", "head")
    lines += text(RIGHT + 14, top + 18, "waited + locked (suspended)", "small")
    lines += grid(most, scale, first - 8, bottom)
    for place, (way, has) in enumerate(ways.items()):
        at = first + place * ROW
        lines += text(LEFT - 10, at + 12, way, "end")
        lines += draw_way(has, scale, at) if has else text(RIGHT + 14, at + 12, NONE)
    return lines, bottom + 30


def runs_of(ways):
    runs = sorted({has["runs"] for has in ways.values() if has})
    count = "-".join(map(str, sorted({runs[0], runs[-1]})))
    return f"{count} run{'' if runs == [1] else 's'} of each way"


def reach(ways):
    """How far to the right the bars of a panel go."""
    known = [has for has in ways.values() if has]
    locks = [(has["waited_ms"] or 0) + (has["locked_ms"] or 0) for has in known]
    return max([1, *locks, *(has["worst_commit_ms"] or 0 for has in known)])


def nice_step(most):
    rough = most / TICKS
    size = 10 ** (len(str(int(rough))) - 1) if rough >= 1 else 1
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)


def grid(most, scale, top, bottom):
    lines, step = "", nice_step(most)
    for tick in range(int(most / step) + 1):
        at = LEFT + tick * step * scale
        lines += f'<path class="grid" d="M{at:.1f} {top}V{bottom}"/>\n'
        unit = " ms" if tick == 0 else ""
        lines += text(at, bottom + 14, f"{tick * step}{unit}", "small middle")
    return lines


def draw_way(has, scale, top):
    waited, locked, suspended, worst = (
        has[key] or 0 for key in ("waited_ms", "locked_ms", "suspended_ms", "worst_commit_ms")
    )
    middle = LEFT + waited * scale
    end = middle + locked * scale
    inner = min(suspended, locked) * scale
    lines = bar(LEFT, top, waited * scale, BAR, WAITED)
    lines += bar(middle, top, locked * scale, BAR, LOCKED)
    lines += bar(end - inner, top + 3, inner, BAR - 6, SUSPENDED)
    lines += bar(LEFT, top + BAR + 2, worst * scale, THIN, WORST)
    words = f"{number(has['waited_ms'])} + {number(has['locked_ms'])}"
    if has["suspended_ms"] is not None:
        words += f" ({number(has['suspended_ms'])})"
    lines += text(RIGHT + 14, top + 12, f"{words} ms")
    lines += text(
        RIGHT + 14, top + 25, f"worst commit {number(has['worst_commit_ms'])} ms", "small"
    )
    return lines


def bar(x, y, width, height, colour):
    if width <= 0:
        return ""
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{max(width, 0.8):.1f}" height="{height}" '
        f'fill="{colour}"/>\n'
    )


def text(x, y, words, kind=""):
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y}"{named}>{escape(words)}</text>\n'
