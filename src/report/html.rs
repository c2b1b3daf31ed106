//! HTML that cannot be written wrong: whatever is not in this program's own text is escaped, since
//! what is told raw must be known when it is compiled.

use std::fmt::{Display, Write as _};

/// A document that grows.
#[derive(Default)]
pub(super) struct Html(String);

/// An attribute: its name and its value.
pub(super) type Attribute<'a> = (&'static str, &'a dyn Display);

impl Html {
    /// A text of ours, as it is.
    pub(super) fn raw(&mut self, text: &'static str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// A text of anybody's.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        for letter in text.to_string().chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // What HTML allows nowhere is shown to be there.
                letter if letter.is_control() && !"\n\t".contains(letter) => {
                    self.0.push('\u{fffd}');
                }
                letter => self.0.push(letter),
            }
        }
        self
    }

    /// The beginning of an element.
    pub(super) fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        let _cannot_fail = write!(self.0, "<{tag}");
        for (name, value) in attributes {
            let _cannot_fail = write!(self.0, " {name}=\"");
            self.text(value).raw("\"");
        }
        self.raw(">")
    }

    /// The end of an element.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        let _cannot_fail = write!(self.0, "</{tag}>");
        self
    }

    /// An element that holds a text.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        text: impl Display,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// The whole text.
    pub(super) fn end(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_escaped_everywhere() {
        let mut html = Html::default();
        html.element("b", &[("title", &"\"><script>")], "<script>'&\u{0}");
        let told = "<b title=\"&quot;&gt;&lt;script&gt;\">&lt;script&gt;&#39;&amp;\u{fffd}</b>";
        assert_eq!(html.end(), told);
    }
}
