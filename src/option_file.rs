//! The `[client]` section of a MySQL option file, read as the servers' own client library reads
//! it (`my_default.c`): text in, values out.
//!
//! Deliberately absent: opening files, other sections, and `!include`, which is refused rather
//! than followed, since the files behind it would escape the check of who may read them.

use std::fmt;

/// What the `[client]` section says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionFile {
    /// `user`.
    pub user: Option<String>,
    /// `password`.
    pub password: Option<Password>,
    /// `host`.
    pub host: Option<String>,
    /// `port`.
    pub port: Option<u16>,
    /// `socket`.
    pub socket: Option<String>,
}

/// A password. It has no `Display`, and its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// A line that cannot be read. It never quotes the line, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct OptionFileError {
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub why: &'static str,
}

impl OptionFile {
    /// Reads a file's text. A later line wins over an earlier one.
    pub fn parse(text: &str) -> Result<Self, OptionFileError> {
        let mut file = Self::default();
        let mut section = None;
        for (at, line) in text.lines().enumerate() {
            let read = match read(line) {
                Ok(Line::Section(name)) => {
                    section = Some(name);
                    Ok(())
                }
                Ok(Line::Option(..)) if section.is_none() => Err("an option before any [section]"),
                Ok(Line::Option(name, value)) if section == Some("client") => file.set(name, value),
                Ok(Line::Nothing | Line::Option(..)) => Ok(()),
                Err(why) => Err(why),
            };
            read.map_err(|why| OptionFileError { line: at + 1, why })?;
        }
        Ok(file)
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), &'static str> {
        let value = value.map(unquoted).ok_or("the option has no value");
        match name.replace('-', "_").as_str() {
            "user" => self.user = Some(value?),
            "password" => self.password = Some(Password(value?)),
            "host" => self.host = Some(value?),
            "socket" => self.socket = Some(value?),
            "port" => {
                self.port = Some(value?.parse().map_err(|_| "expected a port from 0 to 65535")?);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Password {
    /// Keeps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the one who logs in.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What one line is.
enum Line<'a> {
    Nothing,
    Section(&'a str),
    Option(&'a str, Option<&'a str>),
}

fn read(line: &str) -> Result<Line<'_>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';']) {
        return Ok(Line::Nothing);
    }
    if line.starts_with('!') {
        return Err("'!include' is not followed; put the [client] section into this file");
    }
    if let Some(rest) = line.strip_prefix('[') {
        let name = rest.split_once(']').ok_or("a [section] without its ']'")?.0;
        return Ok(Line::Section(name.trim()));
    }
    let line = without_comment(line);
    Ok(match line.split_once('=') {
        Some((name, value)) => Line::Option(name.trim(), Some(value.trim())),
        None => Line::Option(line.trim(), None),
    })
}

/// The line up to a `#` outside quotes.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in line.char_indices() {
        match (c, quote) {
            ('\'' | '"', None) if !escaped => quote = Some(c),
            ('\'' | '"', Some(open)) if !escaped && open == c => quote = None,
            ('#', None) => return &line[..at],
            _ => {}
        }
        escaped = quote.is_some() && c == '\\' && !escaped;
    }
    line
}

/// A value without the quotes around it and with its escapes resolved.
fn unquoted(value: &str) -> String {
    let inner = ['\'', '"']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote).and_then(|value| value.strip_suffix(*quote)));
    let mut plain = String::new();
    let mut rest = inner.unwrap_or(value).chars();
    while let Some(c) = rest.next() {
        match (c, rest.as_str().chars().next()) {
            ('\\', Some(next)) => {
                rest.next();
                escape(next, &mut plain);
            }
            _ => plain.push(c),
        }
    }
    plain
}

/// What a backslash and a character stand for; an unknown pair stands for itself.
fn escape(c: char, plain: &mut String) {
    match c {
        'n' => plain.push('\n'),
        't' => plain.push('\t'),
        'r' => plain.push('\r'),
        'b' => plain.push('\u{8}'),
        's' => plain.push(' '),
        '"' | '\'' | '\\' => plain.push(c),
        _ => plain.extend(['\\', c]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn password(line: &str) -> String {
        let file = OptionFile::parse(&format!("[client]\n{line}\n")).unwrap();
        file.password.unwrap().expose().to_owned()
    }

    #[test]
    fn the_client_section_is_read_and_no_other() {
        let text = "# ours\n[mysqld]\nuser = mysql\nsocket=/elsewhere\n\n[client]\n\
                    user = backup\nport=3307\nhost = db.example ; \n; no\n  socket='/run/my.sock'\n\
                    skip-ssl\nloose-thing = 1\n[mysqldump]\npassword=no";
        let file = OptionFile::parse(text).unwrap();
        assert_eq!(file.user.as_deref(), Some("backup"));
        assert_eq!((file.port, file.password), (Some(3307), None));
        assert_eq!(file.host.as_deref(), Some("db.example ;"));
        assert_eq!(file.socket.as_deref(), Some("/run/my.sock"));
    }

    #[test]
    fn passwords_are_read_as_the_client_library_reads_them() {
        assert_eq!(password("password=plain"), "plain");
        assert_eq!(password("password = "), "");
        assert_eq!(password("password = with=equals"), "with=equals");
        assert_eq!(password("password=cut # here"), "cut");
        assert_eq!(password("password='not # here' # but here"), "not # here");
        assert_eq!(password(r#"password="it's \"quoted\"""#), r#"it's "quoted""#);
        assert_eq!(password(r"password=a\\b\sc\td\q"), "a\\b c\td\\q");
        assert_eq!(password("password=\"open"), "\"open");
        assert_eq!(password("password=one\npassword=two"), "two");
        assert_eq!(password("password='\\'"), "\\");
        assert_eq!(password("password='"), "'");
    }

    #[test]
    fn what_cannot_be_read_says_which_line() {
        let told = |text| OptionFile::parse(text).unwrap_err().to_string();
        assert_eq!(told("user=x"), "line 1: an option before any [section]");
        assert_eq!(told("\n[client"), "line 2: a [section] without its ']'");
        assert_eq!(told("[client]\npassword"), "line 2: the option has no value");
        assert_eq!(told("[client]\nport=a"), "line 2: expected a port from 0 to 65535");
        assert!(told("!includedir /etc/mysql/conf.d").contains("not followed"));
    }

    #[test]
    fn a_password_does_not_show() {
        let file = OptionFile::parse("[client]\npassword=hunter2").unwrap();
        assert!(!format!("{file:?}").contains("hunter2"));
        assert_eq!(format!("{:?}", Password::new("hunter2")), "***");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _either = OptionFile::parse(&text);
        }

        #[test]
        fn any_client_section_is_read_or_refused(lines in "([a-z-]*=?['\"\\\\#; a-z]*\n){0,8}") {
            let _either = OptionFile::parse(&format!("[client]\n{lines}"));
        }

        #[test]
        fn a_quoted_password_comes_back(text in "[^\n\r]*") {
            let quoted = text.replace('\\', r"\\").replace('"', r#"\""#);
            let line = format!("password=\"{quoted}\"");
            prop_assert_eq!(password(&line), text);
        }

        #[test]
        fn an_error_never_shows_the_line(word in "[A-Z]{6,12}") {
            for text in [format!("[client]\n[{word}"), format!("[client]\nport={word}")] {
                prop_assert!(!OptionFile::parse(&text).unwrap_err().to_string().contains(&word));
            }
        }
    }
}
