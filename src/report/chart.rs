//! The frame of a picture: a place for each run, marks at the left, days below, and what failed.
//!
//! Places and widths are in percent and heights in pixels, so a picture is as wide as what it is
//! seen on, and its letters stay as large as all others.

use jiff::tz::TimeZone;

use super::html::{Attribute, Html};
use super::point::Point;
use super::scale::{Scale, Unit};

/// The height of what is drawn, in pixels.
const HEIGHT: f64 = 132.0;
/// The room above it, for what an outlier amounts to.
const ABOVE: f64 = 16.0;
/// The room below it, for days.
const BELOW: f64 = 22.0;

/// So many places there are at least: a few runs do not become broad towers.
const PLACES_MIN: usize = 14;
/// Of its place a bar takes so much.
const BAR: f64 = 0.72;
/// Days that stand nearer to each other than so many percent would be one grey spot.
const DAYS_APART: f64 = 38.0;
/// Outliers that stand nearer to each other than so many percent are not all spelt out.
const SPELT_APART: f64 = 22.0;

/// A bar of several parts, one on the other.
pub(super) struct Bar {
    /// Each part's class and figure, from the lowest.
    pub(super) parts: Vec<(&'static str, u64)>,
    /// A narrow one in front of it: class and figure.
    pub(super) inner: Option<(&'static str, u64)>,
}

/// A picture that is drawn.
pub(super) struct Chart<'a> {
    html: &'a mut Html,
    points: &'a [Point],
    scale: Scale,
}

impl Bar {
    fn sum(&self) -> u64 {
        self.parts.iter().fold(0, |sum, (_, figure)| sum.saturating_add(*figure))
    }
}

impl<'a> Chart<'a> {
    /// The beginning of a picture: its frame, marks and days. `label` is for those who do not see.
    pub(super) fn begin(
        html: &'a mut Html,
        points: &'a [Point],
        scale: Scale,
        label: &str,
    ) -> Self {
        let mut chart = Self { html, points, scale };
        chart.marks();
        chart.html.open("svg", &[("class", &"plot"), ("role", &"img"), ("aria-label", &label)]);
        for (figure, _) in chart.scale.marks() {
            let class = if figure == 0 { "base" } else { "grid" };
            let y = chart.y(figure);
            chart.line(class, (0.0, y), (100.0, y));
        }
        chart.days();
        chart
    }

    /// The end of it: what failed, and the frame.
    pub(super) fn end(self) {
        for (at, point) in self.points.iter().enumerate() {
            let Some(why) = &point.failed else { continue };
            let (x, y) = (percent(self.middle(at)), pixels(ABOVE + HEIGHT - 3.0));
            let place: [Attribute<'_>; 4] =
                [("class", &"failed"), ("x", &x), ("y", &y), ("text-anchor", &"middle")];
            self.html.open("text", &place);
            self.html.element("title", &[], format!("{}: {why}", point.run)).raw("×").close("text");
        }
        self.html.raw("</svg></div>\n");
    }

    /// The bars, one for each run; nothing where there is nothing to draw.
    pub(super) fn bars(&mut self, bar: impl Fn(&Point) -> Option<Bar>) {
        let all: Vec<Option<Bar>> = self.points.iter().map(bar).collect();
        let mut spelt = None;
        for (at, one) in all.iter().enumerate() {
            let Some(one) = one else { continue };
            self.bar(at, one);
            if self.scale.is_beyond(one.sum()) {
                let is_free = spelt.is_none_or(|before| self.middle(at) - before > SPELT_APART);
                self.outlier(at, is_free.then(|| one.sum()));
                spelt = if is_free { Some(self.middle(at)) } else { spelt };
            }
        }
    }

    fn bar(&mut self, at: usize, bar: &Bar) {
        let (unit, run) = (self.scale.unit(), &self.points[at].run);
        let told = |(name, figure): &(&str, u64)| format!("{name} {}", unit.words(*figure));
        let told: Vec<String> = bar.parts.iter().chain(&bar.inner).map(told).collect();
        self.html.open("g", &[]).element("title", &[], format!("{run}: {}", told.join(", ")));
        let mut below = 0;
        for (class, figure) in &bar.parts {
            let upto = below + figure;
            self.rect(class, at, (below, upto), BAR);
            below = upto;
        }
        if let Some((class, figure)) = bar.inner {
            self.rect(class, at, (0, figure), BAR / 2.0);
        }
        self.html.close("g");
    }

    fn rect(&mut self, class: &str, at: usize, (from, upto): (u64, u64), share: f64) {
        let (low, high) = (self.y(from), self.y(upto));
        if from >= upto || low - high < 0.05 && self.scale.is_beyond(from) {
            return;
        }
        // What is there is seen, however small it is.
        let height = (low - high).max(1.0);
        let width = 100.0 / self.places() * share;
        let x = self.middle(at) - width / 2.0;
        self.html.open(
            "rect",
            &[
                ("class", &class),
                ("x", &percent(x)),
                ("width", &percent(width)),
                ("y", &pixels(low - height)),
                ("height", &pixels(height)),
            ],
        );
        self.html.close("rect");
    }

    /// A bar that is higher than the picture is marked above it, with what it amounts to where
    /// there is room for that.
    fn outlier(&mut self, at: usize, figure: Option<u64>) {
        let x = self.middle(at);
        let words = figure.map(|figure| self.scale.unit().words(figure));
        let text = match (words, anchor(x)) {
            (None, _) => "▲".into(),
            (Some(words), "end") => format!("{words} ▲"),
            (Some(words), _) => format!("▲ {words}"),
        };
        self.label("beyond", x, ABOVE - 4.0, anchor(x), &text);
    }

    /// A line from each figure to the next, dashed over those that are missing.
    pub(super) fn curve(&mut self, figure: impl Fn(&Point) -> Option<u64>) {
        let known: Vec<(usize, u64)> = self
            .points
            .iter()
            .enumerate()
            .filter_map(|(at, point)| Some((at, figure(point)?)))
            .collect();
        for pair in known.windows(2) {
            let [(from, low), (upto, high)] = pair else { continue };
            let class = if upto - from == 1 { "curve" } else { "curve gap" };
            let ends = [(*from, *low), (*upto, *high)];
            let [from, upto] = ends.map(|(at, figure)| (self.middle(at), self.y(figure)));
            self.line(class, from, upto);
        }
        for (at, figure) in known {
            let (x, y) = (percent(self.middle(at)), pixels(self.y(figure)));
            let told = format!("{}: {}", self.points[at].run, self.scale.unit().words(figure));
            let radius = if self.points.len() > 40 { "2" } else { "3.5" };
            self.html.open("circle", &[("cx", &x), ("cy", &y), ("r", &radius)]);
            self.html.element("title", &[], told).close("circle");
        }
    }

    fn marks(&mut self) {
        self.html.raw("<div class=\"chart\">");
        self.html.open("svg", &[("class", &"marks"), ("aria-hidden", &"true")]);
        for (figure, mark) in self.scale.marks() {
            let y = self.y(figure) + 4.0;
            self.label("mark", 100.0, y, "end", &mark);
        }
        self.html.raw("</svg>");
    }

    /// The first and the last day, and where there is room, one between them.
    fn days(&mut self) {
        let last = self.points.len().saturating_sub(1);
        let mut named: Vec<f64> = Vec::new();
        for at in [0, last, last / 2] {
            let x = self.middle(at);
            if named.iter().all(|other| (x - other).abs() >= DAYS_APART) {
                self.label("day", x, ABOVE + HEIGHT + BELOW - 7.0, anchor(x), &self.day(at));
                named.push(x);
            }
        }
    }

    fn day(&self, at: usize) -> String {
        self.points[at].began.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
    }

    fn label(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        let (x, y) = (percent(x), pixels(y));
        let place: [Attribute<'_>; 4] =
            [("class", &class), ("x", &x), ("y", &y), ("text-anchor", &anchor)];
        self.html.element("text", &place, text);
    }

    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let ends = [percent(x1), percent(x2), pixels(y1), pixels(y2)];
        let [x1, x2, y1, y2] = &ends;
        let place: [Attribute<'_>; 5] =
            [("class", &class), ("x1", x1), ("x2", x2), ("y1", y1), ("y2", y2)];
        self.html.open("line", &place).close("line");
    }

    #[expect(clippy::cast_precision_loss, reason = "there are a hundred at most")]
    fn places(&self) -> f64 {
        self.points.len().max(PLACES_MIN) as f64
    }

    /// The middle of a run's place, in percent from the left.
    #[expect(clippy::cast_precision_loss, reason = "there are a hundred at most")]
    fn middle(&self, at: usize) -> f64 {
        (at as f64 + 0.5) / self.places() * 100.0
    }

    /// Where a figure stands, in pixels from the top.
    fn y(&self, figure: u64) -> f64 {
        ABOVE + HEIGHT - self.scale.height(figure, HEIGHT)
    }
}

/// A scale for bars of these.
pub(super) fn scale_of(unit: Unit, points: &[Point], bar: impl Fn(&Point) -> Option<Bar>) -> Scale {
    Scale::of(unit, points.iter().filter_map(bar).map(|bar| bar.sum()))
}

/// A text near an edge stays inside.
fn anchor(x: f64) -> &'static str {
    match x {
        x if x < 12.0 => "start",
        x if x > 88.0 => "end",
        _ => "middle",
    }
}

fn percent(of: f64) -> String {
    format!("{of:.2}%")
}

fn pixels(of: f64) -> String {
    format!("{of:.1}")
}
