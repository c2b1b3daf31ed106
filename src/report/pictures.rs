//! The pictures: lock windows, durations, sizes and COW stores, run by run.

use super::chart::{Bar, Chart, scale_of};
use super::html::Html;
use super::point::Point;
use super::scale::{Scale, Unit};
use crate::units::Millis;

/// All of them, as far as there is something to draw.
pub(super) fn pictures(html: &mut Html, points: &[Point]) {
    if points.is_empty() {
        html.raw("<p class=\"quiet\">No run is known yet.</p>\n");
        return;
    }
    html.raw("<div class=\"pictures\">\n");
    windows(html, points);
    durations(html, points);
    sizes(html, points);
    stores(html, points);
    html.raw("</div>\n");
}

fn figure(
    html: &mut Html,
    title: &'static str,
    keys: &[(&'static str, &'static str)],
    draw: impl FnOnce(&mut Html),
) {
    html.raw("<figure><figcaption><h3>").raw(title).raw("</h3><p class=\"keys\">");
    for (class, text) in keys {
        html.open("span", &[("class", &format!("key {class}"))]).close("span").raw(text).raw(" ");
    }
    html.raw("<span class=\"cross\">×</span>failed</p></figcaption>");
    draw(html);
    html.raw("</figure>\n");
}

fn nothing(html: &mut Html, why: &'static str) {
    html.raw("<p class=\"quiet\">").raw(why).raw("</p>");
}

fn windows(html: &mut Html, points: &[Point]) {
    let keys = [
        ("suspended", "volume suspended"),
        ("locked", "locked"),
        ("waited", "waited for the lock"),
    ];
    figure(html, "Lock windows", &keys, |html| {
        let bar = |point: &Point| {
            let parts = vec![("locked", point.locked_ms?.0), ("waited", point.waited_ms?.0)];
            Some(Bar { parts, inner: point.suspended_ms.map(|ms| ("suspended", ms.0)) })
        };
        if !points.iter().any(|point| bar(point).is_some()) {
            return nothing(html, "No run has come to its lock window.");
        }
        let scale = scale_of(Unit::Time, points, bar);
        let mut chart = Chart::begin(html, points, scale, "how long the lock was held, run by run");
        chart.bars(bar);
        chart.end();
    });
}

fn durations(html: &mut Html, points: &[Point]) {
    let keys = [
        ("before", "until the lock"),
        ("snapshot", "snapshot"),
        ("copy", "copy"),
        ("rest", "the rest"),
    ];
    figure(html, "Durations", &keys, |html| {
        let bar = |point: &Point| {
            let parts = point.parts_ms;
            let known = [
                ("before", parts.before),
                ("snapshot", parts.snapshot),
                ("copy", parts.copy),
                ("rest", parts.rest),
            ];
            point.took_ms.filter(|_| point.bytes.is_some())?;
            let told = |(name, ms): (&'static str, Option<Millis>)| Some((name, ms?.0));
            Some(Bar { parts: known.into_iter().filter_map(told).collect(), inner: None })
        };
        if !points.iter().any(|point| bar(point).is_some()) {
            return nothing(html, "No run has made a backup.");
        }
        let scale = scale_of(Unit::Time, points, bar);
        let mut chart = Chart::begin(html, points, scale, "how long a backup took, run by run");
        chart.bars(bar);
        chart.end();
    });
}

fn sizes(html: &mut Html, points: &[Point]) {
    figure(html, "Sizes", &[("size", "size of the backup")], |html| {
        let size = |point: &Point| point.bytes.map(|bytes| bytes.0);
        if !points.iter().any(|point| size(point).is_some()) {
            return nothing(html, "No run has made a backup.");
        }
        let scale = Scale::of(Unit::Size, points.iter().filter_map(size));
        let mut chart = Chart::begin(html, points, scale, "the size of the backup, run by run");
        chart.curve(size);
        chart.end();
    });
}

fn stores(html: &mut Html, points: &[Point]) {
    figure(html, "COW stores", &[("cow", "how full at most")], |html| {
        let bar =
            |point: &Point| Some(Bar { parts: vec![("cow", point.cow_percent?)], inner: None });
        if !points.iter().any(|point| bar(point).is_some()) {
            return nothing(html, "No run had a COW store of its own.");
        }
        let scale = scale_of(Unit::Percent, points, bar);
        let mut chart = Chart::begin(html, points, scale, "how full the COW store was, run by run");
        chart.bars(bar);
        chart.end();
    });
}
