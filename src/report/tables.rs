//! The tables: the backups and what is proven of each, and the runs that failed.

use std::fmt::Display;

use super::html::Html;
use super::point::failed;
use crate::catalog::{Backup, Catalog, State};
use crate::history::Entry;
use crate::ui::catalog::{ago, state};
use crate::units::Millis;

/// A cell of each row, with the head of its column for screens that are too narrow for a table.
fn cell(html: &mut Html, head: &'static str, text: impl Display) {
    html.element("td", &[("data-head", &head)], text);
}

/// A figure, or that there is none.
fn figure(html: &mut Html, head: &'static str, text: Option<String>) {
    let class = if text.is_some() { "figure" } else { "none" };
    let text = text.unwrap_or_else(|| "–".into());
    html.element("td", &[("data-head", &head), ("class", &class)], text);
}

fn heads(html: &mut Html, heads: &[&'static str]) {
    html.raw("<table><thead><tr>");
    for head in heads {
        html.raw("<th scope=\"col\">").raw(head).raw("</th>");
    }
    html.raw("</tr></thead><tbody>\n");
}

/// Every backup, newest first: a page is read from its top.
pub(super) fn backups(html: &mut Html, catalog: &Catalog) {
    html.raw("<section><h2>Backups and what is proven</h2>\n");
    if catalog.backups.is_empty() {
        html.raw("<p class=\"quiet\">There is none.</p></section>\n");
        return;
    }
    heads(html, &["Run", "State", "Began", "Size", "Locked", "Took", "Position"]);
    for one in catalog.backups.iter().rev() {
        backup(html, catalog, one);
    }
    html.raw("</tbody></table></section>\n");
}

fn backup(html: &mut Html, catalog: &Catalog, one: &Backup) {
    let published = one.ours.as_ref().filter(|_| one.state.is_published());
    html.open("tr", &[]);
    cell(html, "Run", &one.run);
    html.open("td", &[("data-head", &"State")]);
    html.element("span", &[("class", &class(&one.state))], state(catalog, &one.state));
    if let Some(problem) = one.state.problem() {
        html.element("div", &[("class", &"why")], problem);
    }
    if let Err(why) = &one.known {
        html.element("div", &[("class", &"why")], format!("what was found cannot be read: {why}"));
    }
    if let Some(hint) = one.state.hint() {
        html.element("div", &[("class", &"why")], hint);
    }
    html.close("td");
    figure(html, "Began", one.began.map(|began| ago(catalog, began)));
    figure(html, "Size", published.and_then(|_| one.bytes()).map(|bytes| bytes.to_string()));
    let locked = published.map(|ours| ours.summary.window.locked_ms.to_string());
    figure(html, "Locked", locked);
    figure(html, "Took", one.took_ms().map(Millis::lasting));
    let position = published.and_then(|_| one.position()).map(|position| position.to_string());
    let class = if position.is_some() { "position" } else { "none" };
    html.open("td", &[("data-head", &"Position"), ("class", &class)]);
    html.text(position.unwrap_or_else(|| "–".into())).raw("</td></tr>\n");
}

fn class(state: &State) -> &'static str {
    match state {
        State::Verified(_) | State::Drilled(_) => "badge good",
        State::Published | State::UnderWay => "badge plain",
        State::Damaged(..) | State::Unreadable(_) => "badge bad",
        State::Died | State::Forgotten | State::Removing | State::NotOurs(_) => "badge odd",
    }
}

/// The runs that failed or left something, newest first, and the outcomes that cannot be read.
pub(super) fn failures(html: &mut Html, catalog: &Catalog, runs: &[Entry], unreadable: &[String]) {
    let mut bad: Vec<(&Entry, String)> =
        runs.iter().filter_map(|run| Some((run, failed(run)?))).collect();
    bad.sort_by_key(|(run, _)| std::cmp::Reverse(run.started));
    html.raw("<section><h2>Runs that failed</h2>\n");
    if bad.is_empty() && unreadable.is_empty() {
        html.raw("<p class=\"quiet\">None that is known.</p></section>\n");
        return;
    }
    for one in unreadable {
        let told = format!("the outcome of a run cannot be read: {one}");
        html.element("p", &[("class", &"why")], told);
    }
    if !bad.is_empty() {
        heads(html, &["Run", "When", "Exit code", "Why"]);
        for (run, why) in &bad {
            html.open("tr", &[]);
            cell(html, "Run", &run.run);
            figure(html, "When", Some(ago(catalog, run.started)));
            let exit = run.exit.map_or_else(|| "has told none".into(), |exit| exit.to_string());
            cell(html, "Exit code", exit);
            cell(html, "Why", why);
            html.raw("</tr>\n");
        }
        html.raw("</tbody></table>");
    }
    html.raw("</section>\n");
}
