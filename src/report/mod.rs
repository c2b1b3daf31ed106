//! One page about the backups of a destination, for a browser or paper. Pure: data in, HTML out.
//!
//! It needs nothing besides itself: no script, no font, no picture from anywhere, and says so to
//! the browser, which then fetches nothing, whatever a name of somebody's might make of it.
//! Deliberately absent: a judgement of its own. How the backups are is `check`'s to say.

mod chart;
mod html;
mod pictures;
mod point;
mod scale;
mod tables;

use html::Html;

use crate::catalog::{Catalog, State};
use crate::check::{self, Finding};
use crate::history::Entry;
use crate::ui::catalog::{ago, state};
use crate::units::Millis;

/// How every page begins: by this one that is to be written over is known.
pub const BEGIN: &str = "<!doctype html>\n<!-- holdstill report -->\n";

/// What a page tells.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The backups, and when they were looked at.
    pub catalog: &'a Catalog,
    /// What `check` makes of them, the gravest first.
    pub findings: &'a [Finding],
    /// How the runs went, oldest first.
    pub runs: &'a [Entry],
    /// Why outcomes of runs cannot be read.
    pub unreadable: &'a [String],
}

const HEAD: &str = "<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
<meta http-equiv=\"Content-Security-Policy\" \
content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<meta name=\"color-scheme\" content=\"light dark\">\n\
<meta name=\"referrer\" content=\"no-referrer\">\n\
<link rel=\"icon\" href=\"data:,\">\n";

/// The page.
pub fn html(report: &Report<'_>) -> String {
    let catalog = report.catalog;
    let mut html = Html::default();
    html.raw(BEGIN).raw(HEAD);
    html.element("title", &[], format!("{}: backups of {}", word(report), catalog.host));
    html.raw("\n<style>\n").raw(include_str!("style.css")).raw("</style></head>\n<body>\n");
    headline(&mut html, report);
    tiles(&mut html, catalog);
    let points = point::points(catalog, report.runs);
    html.raw("<section><h2>Runs</h2>\n");
    pictures::pictures(&mut html, &points);
    html.raw("</section>\n");
    tables::backups(&mut html, catalog);
    tables::failures(&mut html, catalog, report.runs, report.unreadable);
    html.raw("<footer>");
    html.text(format!("holdstill {}, {}", env!("CARGO_PKG_VERSION"), catalog.at));
    html.raw("</footer>\n</body></html>\n");
    html.end()
}

fn word(report: &Report<'_>) -> &'static str {
    check::worst(report.findings).word()
}

fn headline(html: &mut Html, report: &Report<'_>) {
    let Catalog { at, host, directory, .. } = report.catalog;
    let class = format!("head {}", word(report).to_lowercase());
    html.open("header", &[("class", &class)]);
    html.element("h1", &[], format!("{}: backups of {host}", word(report)));
    html.element("p", &[], format!("in '{}', as of {at}", directory.display())).raw("<ul>");
    for one in report.findings {
        let class = one.state.word().to_lowercase();
        html.open("li", &[]).element("b", &[("class", &class)], one.state.word());
        html.raw(" ").text(&one.text).close("li");
    }
    html.raw("</ul></header>\n");
}

/// The few figures that most come for.
fn tiles(html: &mut Html, catalog: &Catalog) {
    html.raw("<dl class=\"tiles\">");
    let mut tile = |name: &'static str, value: String, more: String| {
        html.raw("<div><dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd>");
        html.element("dd", &[("class", &"more")], more).raw("</div>");
    };
    let newest = catalog.published().next_back();
    if let Some((one, ours)) = newest.and_then(|one| Some((one, one.ours.as_ref()?))) {
        let summary = &ours.summary;
        tile("Newest backup", ago(catalog, ours.began), state(catalog, &one.state));
        let waited = format!("after waiting {}", summary.window.waited_ms);
        tile("Its lock", summary.window.locked_ms.to_string(), waited);
        let files = summary.copied.files.map_or_else(String::new, |all| format!("{all} files"));
        tile("Its size", summary.copied.bytes.to_string(), files);
        let took = one.took_ms().map_or_else(|| "–".into(), Millis::lasting);
        tile("It took", took, summary.server.as_ref().map(ToString::to_string).unwrap_or_default());
    }
    let published = catalog.published().count();
    let count = |of: fn(&State) -> bool| catalog.published().filter(|one| of(&one.state)).count();
    let damaged = count(|state| matches!(state, State::Damaged(..)));
    let proven = format!("{} of {published}", count(State::is_proven));
    tile("Proven", proven, format!("verified or drilled; {damaged} damaged"));
    if let Some(space) = catalog.space {
        tile("Free", space.free.to_string(), format!("of {}", space.total));
    }
    html.raw("</dl>\n");
}
