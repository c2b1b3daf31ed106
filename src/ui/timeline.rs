//! The window as a drawing: its moments from the lock's request to its release, with their
//! milliseconds, on a line where there is room for one. Pure: data in, text out.
//!
//! Plain ASCII: at three in the morning it may be read on a serial console. Deliberately absent: a
//! judgement. What these times prove is `proof`'s to say.

use std::fmt::Write as _;

use super::words::{Text, wrap};
use crate::proof::{PointTimes, Proof};
use crate::store::WindowTimes;

/// A line longer than this is no easier to read.
const COLUMNS_MAX: usize = 100;

/// What a drawing stands in from the left.
const INDENT: &str = "  ";

/// One moment of the window, and what lasts from it to the next.
struct Moment {
    name: &'static str,
    at_ns: u64,
    lasts: Span,
}

/// What lasts between two moments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Span {
    /// The lock is waited for.
    Waiting,
    /// The server is locked, or held by nothing but its own stillness.
    Locked,
    /// The volume is suspended.
    Suspended,
    /// The volume is suspended somewhere in here, and no look fell into that.
    Between,
}

impl Span {
    const ALL: [Self; 4] = [Self::Waiting, Self::Locked, Self::Suspended, Self::Between];

    fn ink(self) -> char {
        match self {
            Self::Waiting => '.',
            Self::Locked => '-',
            Self::Suspended => '#',
            Self::Between => '~',
        }
    }

    fn means(self) -> &'static str {
        match self {
            Self::Waiting => "waits",
            Self::Locked => "locked",
            Self::Suspended => "suspended",
            Self::Between => "suspended in here",
        }
    }
}

/// The window in words and as a drawing, no line of it wider than `columns`.
pub(super) fn draw(times: &WindowTimes, columns: usize) -> String {
    let columns = columns.min(COLUMNS_MAX);
    let room = columns.saturating_sub(INDENT.len());
    let mut text = Text::default();
    for line in wrap(&caption(times), columns) {
        text.line(line);
    }
    let moments = moments(&times.proof);
    let drawing = across(&moments, room).unwrap_or_else(|| down(&moments));
    for line in drawing {
        text.line(format!("{INDENT}{line}"));
    }
    text.0
}

fn caption(times: &WindowTimes) -> String {
    let suspended = times.suspended_ms.map_or_else(String::new, |ms| format!(", suspended {ms}"));
    let tries = match times.tries {
        0 | 1 => String::new(),
        tries => format!(", the last of {tries} tries"),
    };
    let (lock, when) = (times.lock, times.when);
    match times.proof.asked_ns {
        Some(_) => format!(
            "held still: waited {}, locked {}{suspended} ({lock}, {when}{tries})",
            times.waited_ms, times.locked_ms
        ),
        None => format!("held still: nothing was locked{suspended} ({lock}, {when}{tries})"),
    }
}

/// The moments that are known, in order. Of several volumes, the first suspend and the last that
/// was live again.
fn moments(proof: &Proof) -> Vec<Moment> {
    let of = |name, at_ns: Option<u64>, lasts| at_ns.map(|at_ns| Moment { name, at_ns, lasts });
    let suspended = proof.points.iter().filter_map(|point| point.suspended_ns).min();
    let let_go = proof.points.iter().map(|point: &PointTimes| point.let_go_ns).min();
    let point = of("suspended", suspended, Span::Suspended);
    let live = proof.points.iter().map(|point| point.resumed_ns).max();
    let all = [
        of("lock asked", proof.asked_ns, Span::Waiting),
        of("granted", proof.granted_ns, Span::Locked),
        point.or_else(|| of("let go", let_go, Span::Between)),
        of("live again", live, Span::Locked),
        of("proven", proof.proven_ns, Span::Locked),
        of("unlocked", proof.unlocked_ns, Span::Locked),
    ];
    all.into_iter().flatten().collect()
}

/// Milliseconds since the first moment, with a tenth while that says something.
fn since(moments: &[Moment], at_ns: u64) -> String {
    let ns = at_ns.saturating_sub(moments.first().map_or(at_ns, |first| first.at_ns));
    match ns / 1_000_000 {
        _ if ns == 0 => "0".into(),
        ms @ 0..100 => format!("{ms}.{}", ns / 100_000 % 10),
        ms => ms.to_string(),
    }
}

/// The moments from left to right, if there is room. Each has what its words need; what is left of
/// the room is shared out by how long each lasts, so short ones can be seen and long ones are long.
fn across(moments: &[Moment], room: usize) -> Option<Vec<String>> {
    let (last, before) = moments.split_last()?;
    let end = format!("{} ms", since(moments, last.at_ns));
    let words: Vec<String> = before.iter().map(|one| since(moments, one.at_ns)).collect();
    let needed: Vec<usize> =
        before.iter().zip(&words).map(|(one, word)| one.name.len().max(word.len()) + 1).collect();
    let spare = room.checked_sub(needed.iter().sum::<usize>() + last.name.len().max(end.len()))?;
    let widths = shared(moments, &needed, spare);
    let (mut names, mut line, mut times) = (String::new(), String::new(), String::new());
    for ((one, word), width) in before.iter().zip(&words).zip(widths) {
        let ink = one.lasts.ink().to_string().repeat(width - 1);
        let _cannot_fail = write!(names, "{:width$}", one.name);
        let _cannot_fail = write!(line, "|{ink}");
        let _cannot_fail = write!(times, "{word:width$}");
    }
    let mut drawn = vec![names + last.name, line + "|", times + &end];
    drawn.extend(wrap(&legend(before), room));
    Some(drawn)
}

/// The widths of what lies between the moments.
fn shared(moments: &[Moment], least: &[usize], spare: usize) -> Vec<usize> {
    let lasted = |pair: &[Moment]| u128::from(pair[1].at_ns.saturating_sub(pair[0].at_ns));
    let lasted: Vec<u128> = moments.windows(2).map(lasted).collect();
    let total = lasted.iter().sum::<u128>().max(1);
    let more = |ns: &u128| usize::try_from(ns * spare as u128 / total).unwrap_or(0);
    least.iter().zip(&lasted).map(|(least, ns)| least + more(ns)).collect()
}

/// What the ink means.
fn legend(moments: &[Moment]) -> String {
    let used = |span: &Span| moments.iter().any(|one| one.lasts == *span);
    let one = |span: Span| format!("{} {}", span.ink(), span.means());
    let all: Vec<String> = Span::ALL.into_iter().filter(used).map(one).collect();
    format!("{} (not to scale)", all.join(", "))
}

/// The moments from top to bottom, where the terminal is narrow.
fn down(moments: &[Moment]) -> Vec<String> {
    moments.iter().map(|one| format!("{:>7} ms {}", since(moments, one.at_ns), one.name)).collect()
}

#[cfg(test)]
mod tests;
