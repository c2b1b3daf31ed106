//! The same statements for a server that they are applied to at once: without those that start
//! replication, and with an account where the operator names one. Pure.
//!
//! Deliberately absent: the password. What has one is told where it belongs, and no more.

use super::lines;
use crate::database::coordinates::{Channel, Coordinates};
use crate::database::dialect::{mysql_channel, quoted};
use crate::database::{Flavour, Server};

/// Who to be on the source, and where that is, as far as the operator says it. There is a password
/// with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The source's host.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The account.
    pub user: Option<String>,
}

/// What is applied, and what it makes of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The statements, in order.
    pub statements: Vec<Statement>,
    /// The sources that the server has after it, by channel.
    pub sources: Vec<Source>,
}

/// One statement, without a semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// As it stands.
    Plain(String),
    /// The account's password belongs between the two, as a string in quotes.
    Keyed(String, String),
}

/// A source of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The channel, empty for the default one.
    pub channel: String,
    /// The source's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The account on it.
    pub user: String,
}

/// Why there is nothing to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The server that was backed up has no source and wrote no binary log.
    BinaryLog,
    /// Where the source is.
    Host,
    /// Who to be on the source.
    User,
    /// Which of several sources the account is of.
    Channel,
}

/// The port of both servers where nobody says otherwise.
const PORT: u16 = 3306;

/// What makes a restored server a replica: of its own source, as an account of the operator's if
/// there is one, or of the server that was backed up.
pub fn applied(
    server: &Server,
    coordinates: &Coordinates,
    account: Option<&Account>,
) -> Result<Applied, Missing> {
    let mut told = coordinates.clone();
    match (told.channels.as_mut_slice(), account) {
        ([], None) if told.own.file.is_some() => return Err(Missing::Host),
        ([], _) if told.own.file.is_none() => return Err(Missing::BinaryLog),
        ([one], Some(account)) => named(one, account),
        ([_, _, ..], Some(_)) => return Err(Missing::Channel),
        _ => {}
    }
    let sources: Vec<Source> = match account {
        Some(account) if told.channels.is_empty() => vec![account.source()?],
        _ => told.channels.iter().map(source).collect(),
    };
    if sources.iter().any(|one| one.host.is_empty()) {
        return Err(Missing::Host);
    }
    let of_own = |word: &str| sources.first().map(|one| one.words(word)).unwrap_or_default();
    let lines = lines(server, &told, of_own);
    let applied = lines.into_iter().filter(|line| !line.starts_with("START "));
    let channel = sources.first().map(|one| one.channel.clone()).unwrap_or_default();
    let statements = applied.map(|line| match account {
        Some(_) if line.starts_with("CHANGE ") => keyed(server, &line, &channel),
        _ => Statement::Plain(line),
    });
    Ok(Applied { statements: statements.collect(), sources })
}

/// What the operator says counts; the rest is as it was.
fn named(channel: &mut Channel, account: &Account) {
    channel.host = account.host.clone().unwrap_or_else(|| channel.host.clone());
    channel.port = account.port.unwrap_or(channel.port);
    channel.user = account.user.clone().unwrap_or_else(|| channel.user.clone());
}

/// The password comes last, but for MySQL's name of the channel.
fn keyed(server: &Server, line: &str, channel: &str) -> Statement {
    let word = if server.speaks_of_replicas() && server.flavour == Flavour::MySql {
        "SOURCE"
    } else {
        "MASTER"
    };
    let name = mysql_channel(channel);
    let (before, after) = match line.strip_suffix(&name) {
        Some(before) => (before, name),
        None => (line, String::new()),
    };
    Statement::Keyed(format!("{before}, {word}_PASSWORD = "), after)
}

fn source(channel: &Channel) -> Source {
    let Channel { name, host, port, user, .. } = channel.clone();
    Source { channel: name, host, port, user }
}

impl Account {
    /// The source that it alone tells of.
    fn source(&self) -> Result<Source, Missing> {
        Ok(Source {
            channel: String::new(),
            host: self.host.clone().ok_or(Missing::Host)?,
            port: self.port.unwrap_or(PORT),
            user: self.user.clone().ok_or(Missing::User)?,
        })
    }
}

impl Source {
    /// As a statement names it.
    fn words(&self, word: &str) -> String {
        let (host, port, user) = (quoted(&self.host), self.port, quoted(&self.user));
        format!("{word}_HOST = {host}, {word}_PORT = {port}, {word}_USER = {user}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::coordinates::Own;

    fn server(text: &str) -> Server {
        Server::parse(text, "").expect("the version is known")
    }

    fn channel(name: &str, gtid: &str) -> Channel {
        Channel {
            name: name.into(),
            host: "db1".into(),
            port: 3307,
            user: "repl".into(),
            file: "bin.000001".into(),
            position: 100,
            gtid: gtid.into(),
            ..Channel::default()
        }
    }

    fn own(gtid: Option<&str>) -> Own {
        Own {
            file: Some("bin.000009".into()),
            position: Some(400),
            gtid_executed: gtid.map(String::from),
            gtid_slave_pos: gtid.map(String::from),
            ..Own::default()
        }
    }

    fn account(host: Option<&str>) -> Account {
        Account { host: host.map(String::from), port: None, user: Some("o'repl".into()) }
    }

    /// As they are sent, the password's place shown.
    fn check(
        version: &str,
        own: Own,
        channels: Vec<Channel>,
        with: Option<&Account>,
    ) -> Vec<String> {
        let applied = applied(&server(version), &Coordinates { own, channels }, with);
        let applied = applied.expect("nothing is missing");
        let shown = |one: Statement| match one {
            Statement::Plain(text) => text,
            Statement::Keyed(before, after) => format!("{before}[KEY]{after}"),
        };
        applied.statements.into_iter().map(shown).collect()
    }

    #[test]
    fn a_replica_goes_on_as_whom_it_was_and_is_not_started() {
        assert_eq!(
            check("10.11.9-MariaDB", own(Some("0-1-5")), vec![channel("", "Slave_Pos")], None),
            [
                "STOP ALL SLAVES",
                "RESET SLAVE",
                "SET GLOBAL gtid_slave_pos = '0-1-5'",
                "CHANGE MASTER TO MASTER_HOST = 'db1', MASTER_PORT = 3307, MASTER_USER = 'repl', \
                 MASTER_USE_GTID = slave_pos",
            ]
        );
        let of_two = vec![channel("a", ""), channel("b", "")];
        let all = check("9.7.1", own(None), of_two, None);
        assert_eq!(all.iter().filter(|line| line.starts_with("CHANGE ")).count(), 2);
        assert!(!all.iter().any(|line| line.starts_with("START") || line.contains("PASSWORD")));
    }

    #[test]
    fn an_account_of_the_operators_takes_its_place() {
        let with = Account { port: Some(3399), ..account(Some("new")) };
        assert_eq!(
            check("9.7.1", own(Some("a:1-5")), vec![channel("c", "Auto_Position")], Some(&with)),
            [
                "STOP REPLICA",
                "RESET REPLICA FOR CHANNEL 'c'",
                "RESET BINARY LOGS AND GTIDS",
                "SET GLOBAL gtid_purged = 'a:1-5'",
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'new', SOURCE_PORT = 3399, \
                 SOURCE_USER = 'o''repl', SOURCE_AUTO_POSITION = 1, SOURCE_PASSWORD = [KEY] FOR \
                 CHANNEL 'c'",
            ]
        );
        let all = check("8.0.20", own(None), vec![channel("", "")], Some(&account(None)));
        let told = "CHANGE MASTER TO MASTER_HOST = 'db1', MASTER_PORT = 3307, MASTER_USER = \
                    'o''repl', MASTER_LOG_FILE = 'bin.000001', MASTER_LOG_POS = 100, \
                    MASTER_AUTO_POSITION = 0, MASTER_PASSWORD = [KEY] FOR CHANNEL ''";
        assert_eq!(all.last().map(String::as_str), Some(told));
    }

    #[test]
    fn the_server_that_was_backed_up_becomes_the_source() {
        let with = account(Some("db2"));
        assert_eq!(
            check("11.8.2-MariaDB", own(None), Vec::new(), Some(&with)),
            ["CHANGE MASTER TO MASTER_HOST = 'db2', MASTER_PORT = 3306, MASTER_USER = 'o''repl', \
              MASTER_LOG_FILE = 'bin.000009', MASTER_LOG_POS = 400, MASTER_USE_GTID = no, \
              MASTER_PASSWORD = [KEY]"]
        );
        let all = check("9.7.1", own(Some("a:1-5")), Vec::new(), Some(&with));
        let told = "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'db2', SOURCE_PORT = 3306, \
                    SOURCE_USER = 'o''repl', GET_SOURCE_PUBLIC_KEY = 1, SOURCE_AUTO_POSITION = 1, \
                    SOURCE_PASSWORD = [KEY]";
        assert_eq!(all.last().map(String::as_str), Some(told));
    }

    #[test]
    fn what_is_missing_is_told() {
        let told = |own: Own, channels: Vec<Channel>, with: Option<&Account>| {
            applied(&server("9.7.1"), &Coordinates { own, channels }, with).expect_err("missing")
        };
        assert_eq!(told(own(None), Vec::new(), None), Missing::Host);
        assert_eq!(told(own(None), Vec::new(), Some(&account(None))), Missing::Host);
        let nobody = Account { user: None, ..account(Some("h")) };
        assert_eq!(told(own(None), Vec::new(), Some(&nobody)), Missing::User);
        let named = account(Some("h"));
        assert_eq!(told(Own::default(), Vec::new(), Some(&named)), Missing::BinaryLog);
        let of_two = vec![channel("a", ""), channel("b", "")];
        assert_eq!(told(own(None), of_two, Some(&named)), Missing::Channel);
        let lost = Channel { host: String::new(), ..channel("", "") };
        assert_eq!(told(own(None), vec![lost], None), Missing::Host);
    }
}
