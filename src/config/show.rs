//! Every key with the value that counts and where that comes from, as TOML that can be fed back or
//! as JSON. Data in, text out.
//!
//! What is not in the file itself (a default is, in effect) stands in comments, so that feeding the
//! text back means the same. Deliberately absent: passwords; only that there is one, and where.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Complaint, Config, Copy, Drill, Hook, KEYS, OFFSITE_KEYS, Offsite, Push, SOCKET, SecretIn,
    Size, Way, check, load, option_file,
};
use crate::host::{Host, Io, Reach, Tls};
use crate::option_file::OptionFile;
use crate::retention::Rules;
use crate::units::{Bytes, Millis};

/// The column at which the comments begin, where a value does not reach further.
const COMMENT_COLUMN: usize = 44;

/// A key and the value that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The section, empty at the top.
    pub section: &'static str,
    /// The key.
    pub key: &'static str,
    /// The value; nothing if there is none, or if it is a secret.
    pub value: Option<Value>,
    /// The unit, in words.
    pub unit: Option<&'static str>,
    /// Where the value comes from.
    pub origin: Origin,
    /// Whether it is a password that is there.
    pub hidden: bool,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration, at this line, from 1.
    Line(usize),
    /// Its default.
    Default,
    /// The option file that the configuration names.
    OptionFile(PathBuf),
    /// Nobody said it.
    Assumed(&'static str),
    /// It has no value, for this reason.
    NotSet(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Default => f.write_str("default"),
            Self::OptionFile(path) => write!(f, "option file '{}'", path.display()),
            Self::Assumed(why) => write!(f, "assumed: {why}"),
            Self::NotSet(why) => write!(f, "not set: {why}"),
        }
    }
}

/// Reads a configuration and what its option file adds; every key in the order of `KEYS`.
/// `credentials` is the value of `$CREDENTIALS_DIRECTORY`; without it a credential is not read.
pub fn show(
    host: &dyn Host,
    path: &Path,
    credentials: Option<&Path>,
) -> Result<Vec<Shown>, Vec<Complaint>> {
    let config = load::load(host, path)?;
    let text = load::text(host, path).map_err(|complaint| vec![complaint])?;
    let file = match (&config.server.secret, credentials) {
        (SecretIn::OptionFile(path), _) => Some(path.clone()),
        (SecretIn::Credential(name), Some(directory)) => Some(directory.join(name)),
        _ => None,
    };
    let read = |path: PathBuf| option_file(host, &path).map(|options| (path, options));
    let options = file.map(read).transpose().map_err(|complaint| vec![complaint])?;
    Ok(shown(&text, &config, options.as_ref()))
}

/// Every key, by the text of the configuration, what it means, and what its option file says.
pub fn shown(text: &str, config: &Config, options: Option<&(PathBuf, OptionFile)>) -> Vec<Shown> {
    let one = |section: &'static str, key: &'static str| {
        let line =
            check::place(text, section, key).map(|offset| text[..offset].matches('\n').count() + 1);
        let (value, origin) = match line {
            Some(line) => (value(config, section, key), Origin::Line(line)),
            None if section == "server" => unsaid(config, key, options),
            None => match value(config, section, key) {
                Some(value) => (Some(value), Origin::Default),
                None => (None, Origin::NotSet(unset(key))),
            },
        };
        let secret = key == "password" && !matches!(origin, Origin::NotSet(_));
        Shown { section, key, value, unit: unit(key), origin, hidden: secret }
    };
    let keys =
        KEYS.iter().flat_map(|(section, keys)| keys.iter().map(move |key| one(section, key)));
    keys.chain(places(text, config)).collect()
}

/// Every key of every place.
fn places<'a>(text: &'a str, config: &'a Config) -> impl Iterator<Item = Shown> + 'a {
    let keys = move |(at, place): (usize, &'a Offsite)| {
        OFFSITE_KEYS.iter().map(move |key| {
            let line = check::place(text, &format!("offsite[{}]", at + 1), key);
            let line = line.map(|offset| text[..offset].matches('\n').count() + 1);
            let value = place_value(place, key);
            let origin = match (line, &value) {
                (Some(line), _) => Origin::Line(line),
                (None, Some(_)) => Origin::Default,
                (None, None) => Origin::NotSet(unset_of_place(key)),
            };
            Shown { section: "offsite", key, value, unit: unit(key), origin, hidden: false }
        })
    };
    config.offsite.iter().enumerate().flat_map(keys)
}

fn place_value(place: &Offsite, key: &str) -> Option<Value> {
    match (key, &place.way) {
        ("name", _) => Some(json!(place.name)),
        ("push", _) => Some(json!(place.push == Push::AfterBackup)),
        ("seconds_max", _) => Some(json!(place.ms_max.0 / 1_000)),
        ("bandwidth_max", _) => place.bandwidth_max.map(|most| size(Size::Amount(most))),
        ("kind", Way::Ssh(_)) => Some(json!("ssh")),
        ("kind", Way::Restic(_)) => Some(json!("restic")),
        ("host", Way::Ssh(account)) => Some(json!(account.host)),
        ("port", Way::Ssh(account)) => Some(json!(account.port)),
        ("user", Way::Ssh(account)) => Some(json!(account.user)),
        ("directory", Way::Ssh(account)) => Some(path(&account.directory)),
        ("key_file", Way::Ssh(account)) => Some(path(&account.key_file)),
        ("known_hosts", Way::Ssh(account)) => Some(path(&account.known_hosts)),
        ("repository_file", Way::Restic(of)) => Some(path(&of.repository_file)),
        ("password_file", Way::Restic(of)) => Some(path(&of.password_file)),
        ("credentials_file", Way::Restic(of)) => of.credentials_file.as_deref().map(path),
        ("cache_directory", Way::Restic(of)) => Some(path(&of.cache)),
        ("options", Way::Restic(of)) => Some(json!(of.options)).filter(|_| !of.options.is_empty()),
        _ if key.starts_with("keep_") => place.retention.as_ref().and_then(|of| keep(of, key)),
        _ => None,
    }
}

fn unset_of_place(key: &str) -> &'static str {
    match key {
        "bandwidth_max" => "no limit",
        "credentials_file" | "options" => "none is used",
        _ if key.starts_with("keep_") => "it keeps none",
        _ => "of the other kind of place",
    }
}

/// What a configuration means by a key; nothing where it means nothing, or a password.
fn value(config: &Config, section: &str, key: &str) -> Option<Value> {
    let Config { lock, replica, snapshot, copy, hooks, monitoring, destination, .. } = config;
    Some(match (section, key) {
        ("", "state_dir") => path(&config.state_dir),
        ("", "run_dir") => path(&config.run_dir),
        ("server", _) => return server(config, key),
        ("lock", "kind") => json!(lock.kind),
        ("lock", "when") => json!(lock.when),
        ("lock", "wait_ms_max") => json!(lock.wait_ms_max),
        ("lock", "hold_ms_max") => json!(lock.hold_ms_max),
        ("lock", "tries_max") => json!(lock.tries_max),
        ("lock", "pause_ms") => json!(lock.pause_ms),
        ("lock", "freeze") => json!(lock.freeze),
        ("lock", "long_statements") => json!(lock.long_statements),
        ("lock", "long_statement_s_min") => json!(lock.long_statement_s_min),
        ("lock", "long_wait_ms_max") => json!(lock.long_wait_ms_max),
        ("lock", "kill_select_s_min") => json!(lock.kill_select_s_min),
        ("replica", "stop_ms_max") => json!(replica.stop_ms_max),
        ("replica", "keep_replication_stopped") => json!(replica.keep_replication_stopped),
        ("snapshot", "size") => size(snapshot.size),
        ("snapshot", "cow_extend_max") => size(snapshot.cow_extend_max),
        ("snapshot", "cow_percent_extend") => json!(snapshot.cow_percent_extend),
        ("snapshot", "cow_percent_stop") => json!(snapshot.cow_percent_stop),
        ("snapshot", "pool_percent_max") => json!(snapshot.pool_percent_max),
        ("snapshot", "pool_percent_stop") => json!(snapshot.pool_percent_stop),
        ("copy", _) => return copying(copy, key),
        ("retention", _) => return config.retention.as_ref().and_then(|rules| keep(rules, key)),
        ("drill", _) => return drill(&config.drill, key),
        ("hooks", "seconds_max") => json!(hooks.ms_max.0 / 1_000),
        ("hooks", "before") => return hooks.before.as_ref().map(hook),
        ("hooks", "after") => return hooks.after.as_ref().map(hook),
        ("hooks", "on_failure") => return hooks.on_failure.as_ref().map(hook),
        ("monitoring", "textfile") => return monitoring.textfile.as_deref().map(path),
        ("monitoring", "age_warning_hours") => json!(monitoring.limits.age_warning_hours),
        ("monitoring", "age_critical_hours") => json!(monitoring.limits.age_critical_hours),
        ("monitoring", "locked_ms_warning") => json!(monitoring.limits.locked_ms_warning),
        ("monitoring", "locked_ms_critical") => json!(monitoring.limits.locked_ms_critical),
        ("destination", "directory") => path(&destination.directory),
        _ => return None,
    })
}

fn copying(copy: &Copy, key: &str) -> Option<Value> {
    let Copy { ms_max, priority, bandwidth_max, unchanged } = copy;
    match (key, priority.io) {
        ("ms_max", _) => Some(json!(ms_max)),
        ("nice", _) => priority.nice.map(|nice| json!(nice)),
        ("io_class", Some(Io::Idle)) => Some(json!("idle")),
        ("io_class", Some(Io::BestEffort(_))) => Some(json!("best-effort")),
        ("io_level", Some(Io::BestEffort(level))) => Some(json!(level)),
        ("unchanged", _) => Some(json!(unchanged)),
        ("bandwidth_max", _) => bandwidth_max.map(|bandwidth| size(Size::Amount(bandwidth))),
        _ => None,
    }
}

fn drill(drill: &Drill, key: &str) -> Option<Value> {
    let seconds = |ms: Millis| json!(ms.0 / 1_000);
    match key {
        "directory" => drill.directory.as_deref().map(path),
        "server" => drill.server.as_deref().map(path),
        "memory" => Some(size(Size::Amount(drill.memory))),
        "seconds_max" => Some(seconds(drill.ms_max)),
        "quiet_seconds_max" => Some(seconds(drill.quiet_ms_max)),
        "assertions" => Some(json!(drill.assertions)).filter(|_| !drill.assertions.is_empty()),
        _ => drill.assertions_file.as_deref().map(path),
    }
}

fn keep(rules: &Rules, key: &str) -> Option<Value> {
    let count = match key {
        "keep_last" => rules.last,
        "keep_daily" => rules.daily,
        "keep_weekly" => rules.weekly,
        "keep_monthly" => rules.monthly,
        "keep_yearly" => rules.yearly,
        _ => return rules.within.map(|hours| json!(hours.to_string())),
    };
    count.map(|count| json!(count))
}

fn hook(hook: &Hook) -> Value {
    let words = std::iter::once(hook.program.to_string_lossy().into_owned());
    json!(words.chain(hook.args.iter().cloned()).collect::<Vec<_>>())
}

/// What counts where a key is not set and has no default.
fn unset(key: &str) -> &'static str {
    match key {
        "directory" => "beside the backups",
        "server" => "the one of production",
        "assertions" | "assertions_file" => "nothing is asserted",
        "nice" => "that of the run",
        "io_class" => "by the nice value",
        "io_level" => "only of the class 'best-effort'",
        "bandwidth_max" => "no limit",
        "textfile" => "none is written",
        _ if key.starts_with("keep_") => "it keeps none",
        _ => "no program is run",
    }
}

fn server(config: &Config, key: &str) -> Option<Value> {
    let server = &config.server;
    match (key, &server.reach) {
        ("socket", Some(Reach::Socket(socket))) => Some(path(socket)),
        ("host", Some(Reach::Tcp { host, .. })) => Some(json!(host)),
        ("port", Some(Reach::Tcp { port, .. })) => Some(json!(port)),
        ("tls", Some(Reach::Tcp { tls, .. })) => Some(json!(match tls {
            Tls::Verified(_) => "verified",
            Tls::Encrypted => "required",
            Tls::Off => "off",
        })),
        ("tls_ca", Some(Reach::Tcp { tls: Tls::Verified(authority), .. })) => Some(path(authority)),
        ("user", _) => server.user.as_ref().map(|user| json!(user)),
        ("connect_ms_max", _) => Some(json!(server.connect_ms_max)),
        ("option_file" | "credential", _) => match &server.secret {
            SecretIn::OptionFile(file) if key == "option_file" => Some(path(file)),
            SecretIn::Credential(name) if key == "credential" => Some(json!(name)),
            _ => None,
        },
        _ => None,
    }
}

/// What counts where [server] does not say it: what the option file says, or what is assumed.
fn unsaid(
    config: &Config,
    key: &str,
    options: Option<&(PathBuf, OptionFile)>,
) -> (Option<Value>, Origin) {
    let over_tcp = matches!(config.server.reach, Some(Reach::Tcp { .. }));
    let by_option = |value: Option<Value>| {
        let file = options.map(|(file, _)| Origin::OptionFile(file.clone()));
        value.zip(file).map(|(value, file)| (Some(value), file))
    };
    let of = options.map(|(_, options)| options);
    // Where the option file names an address and no socket, that is the way.
    let address = of.filter(|of| of.socket.is_none() && config.server.reach.is_none());
    let address = address.and_then(|of| of.host.as_ref().filter(|host| *host != "localhost"));
    let not = |why| (None, Origin::NotSet(why));
    match key {
        "connect_ms_max" => (server(config, key), Origin::Default),
        "port" | "tls" if over_tcp => (server(config, key), Origin::Default),
        "socket" if over_tcp => not("'host' is given"),
        "socket" if address.is_some() => not("the option file names a host"),
        "socket" => by_option(of.and_then(|of| of.socket.as_ref()).map(|socket| json!(socket)))
            .unwrap_or((Some(json!(SOCKET)), Origin::Assumed("the usual place"))),
        "host" => by_option(address.map(|host| json!(host))).unwrap_or(not("the socket is used")),
        "port" if address.is_some() => by_option(of.and_then(|of| of.port).map(|port| json!(port)))
            .unwrap_or((Some(json!(3306)), Origin::Assumed("the usual port"))),
        "tls" if address.is_some() => {
            (Some(json!("required")), Origin::Assumed("no certificate is checked"))
        }
        "port" | "tls" => not("the socket is used"),
        "tls_ca" => not("no certificate is checked"),
        "user" => by_option(of.and_then(|of| of.user.as_ref()).map(|user| json!(user)))
            .unwrap_or(not("whoever runs holdstill, which is root")),
        "password" => match options.filter(|(_, of)| of.password.is_some()) {
            Some((file, _)) => (None, Origin::OptionFile(file.clone())),
            None => not("none is known here"),
        },
        _ => not("nothing names one"),
    }
}

/// What a key's number counts: the name of every limit carries its unit.
fn unit(key: &str) -> Option<&'static str> {
    match key {
        "size" | "cow_extend_max" => Some("a part of the volume or an amount"),
        "bandwidth_max" => Some("an amount a second"),
        "seconds_max" | "quiet_seconds_max" => Some("seconds"),
        "memory" => Some("an amount"),
        "tries_max" => Some("tries"),
        "keep_last" => Some("backups"),
        "keep_daily" => Some("days"),
        "keep_weekly" => Some("weeks"),
        "keep_monthly" => Some("months"),
        "keep_yearly" => Some("years"),
        _ if key.ends_with("_hours") => Some("hours"),
        _ if key.contains("percent") => Some("percent"),
        _ if key.ends_with("_s_min") => Some("seconds"),
        _ if key.split('_').any(|word| word == "ms") => Some("milliseconds"),
        _ => None,
    }
}

fn path(path: &Path) -> Value {
    json!(path.to_string_lossy())
}

/// A size as it is typed; no amount is rounded.
fn size(size: Size) -> Value {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    json!(match size {
        Size::Percent(percent) => format!("{percent}%"),
        Size::Amount(Bytes(bytes)) =>
            match UNITS.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
                Some((name, unit)) => format!("{}{name}", bytes / unit),
                None => format!("{bytes}B"),
            },
    })
}

/// A value as TOML. JSON's texts and numbers are TOML's too, but for one character that TOML wants
/// escaped and JSON does not.
pub fn literal(value: &Value) -> String {
    value.to_string().replace('\u{7f}', "\\u007f")
}

/// One line a key, in sections; feeding it back means the same, but for a password.
pub fn as_toml(path: &Path, all: &[Shown]) -> String {
    let mut text = String::new();
    let file = literal(&json!(path.to_string_lossy()));
    let _cannot_fail =
        writeln!(text, "# What {file} means: a key a line, and where it comes from.");
    let mut section = "";
    for one in all {
        // Every place has a heading of its own.
        if one.section == "offsite" && one.key == OFFSITE_KEYS[0] {
            section = one.section;
            text.push_str("\n[[offsite]]\n");
        } else if one.section != section {
            section = one.section;
            let _cannot_fail = writeln!(text, "\n[{section}]");
        }
        text.push_str(&one.line());
    }
    text
}

/// The same as JSON, for programs: `{"file", "keys": [{"section", "key", "value", "unit", "origin",
/// "line", "hidden"}]}`. `value`, `unit` and `line` may be null; `origin` is `file`, `default`,
/// `option file`, `assumed` or `not set`.
pub fn as_json(path: &Path, all: &[Shown]) -> String {
    #[derive(Serialize)]
    struct One<'a> {
        section: &'a str,
        key: &'a str,
        value: Option<&'a Value>,
        unit: Option<&'a str>,
        origin: &'a str,
        line: Option<usize>,
        hidden: bool,
    }
    let line = |one: &Shown| {
        let &Shown { section, key, ref value, unit, ref origin, hidden } = one;
        let (origin, line) = origin.word();
        let one = One { section, key, value: value.as_ref(), unit, origin, line, hidden };
        format!("    {}", serde_json::to_string(&one).unwrap_or_default())
    };
    let (file, keys) = (json!(path.to_string_lossy()), all.iter().map(line));
    let keys = keys.collect::<Vec<_>>().join(",\n");
    format!("{{\n  \"file\": {file},\n  \"keys\": [\n{keys}\n  ]\n}}\n")
}

impl Origin {
    /// In a word, and the line if there is one.
    fn word(&self) -> (&'static str, Option<usize>) {
        match self {
            Self::Line(line) => ("file", Some(*line)),
            Self::Default => ("default", None),
            Self::OptionFile(_) => ("option file", None),
            Self::Assumed(_) => ("assumed", None),
            Self::NotSet(_) => ("not set", None),
        }
    }
}

impl Shown {
    fn line(&self) -> String {
        let value = match &self.value {
            Some(value) => literal(value),
            None if self.hidden => "(hidden)".into(),
            None => String::new(),
        };
        // What is not said in the file is not said in what is fed back, or it would mean more.
        let said = matches!(self.origin, Origin::Line(_) | Origin::Default);
        let live = said && self.value.is_some();
        let setting = format!("{}{} = {value}", if live { "" } else { "#" }, self.key);
        let unit = self.unit.map_or_else(String::new, |unit| format!("{unit}; "));
        let origin = self.origin.to_string().replace(char::is_control, "?");
        format!("{:<COMMENT_COLUMN$}  # {unit}{origin}\n", setting.trim_end())
    }
}
