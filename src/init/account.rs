//! Who to be to the server: the option file that the operator names or that is at a usual place,
//! and what the server says to that account.

use std::path::{Path, PathBuf};

use super::{Account, Asked, Met};
use crate::config;
use crate::database::dialect::LockKind;
use crate::database::grants::{self, Granted};
use crate::database::places::{self, Role};
use crate::database::settings::{self, Settings};
use crate::database::{INTRODUCTION, Server};
use crate::error::Stop;
use crate::host::{Ask, Fault, Host, Login, Reach, Rows, Secret, Session};
use crate::option_file::OptionFile;
use crate::units::Millis;

/// How long connecting, and each answer of the server, may take.
const ASK_MS_MAX: Millis = Millis(10_000);

/// What an option file for holdstill is called, beside its configuration.
const BESIDE_CONFIG: &str = "client.cnf";

/// Root's own.
const OF_ROOT: &str = "/root/.my.cnf";

/// An account and what its option file says.
pub(super) type Known = (Account, OptionFile);

/// The account as it was named; one that cannot be used is an error.
pub(super) fn named(host: &dyn Host, file: &Path) -> Result<Known, Stop> {
    let options = config::option_file(host, file).map_err(|one| Stop::Usage(vec![one]))?;
    let account = Account { option_file: Some(file.into()), named: true, unusable: Vec::new() };
    Ok((account, options))
}

/// The account that the option file at a usual place is of; without one, root by the socket.
pub(super) fn usual(host: &dyn Host, asked: &Asked) -> Known {
    let mut account = Account { option_file: None, named: false, unusable: Vec::new() };
    for file in [beside(&asked.config), OF_ROOT.into()] {
        if !matches!(host.entry(&file), Ok(Some(_))) {
            continue;
        }
        match config::option_file(host, &file) {
            Ok(options) => {
                account.option_file = Some(file);
                return (account, options);
            }
            Err(complaint) => account.unusable.push(complaint.to_string()),
        }
    }
    (account, OptionFile::default())
}

/// Where the option file for a configuration is looked for first.
pub(super) fn beside(config: &Path) -> PathBuf {
    config.with_file_name(BESIDE_CONFIG)
}

/// The way to a server by its socket.
pub(super) fn login(account: &Account, options: &OptionFile, socket: &Path) -> Login {
    Login {
        reach: Reach::Socket(socket.into()),
        user: options.user.clone(),
        secret: account.option_file.clone().map_or(Secret::None, Secret::OptionFile),
        connect_ms_max: ASK_MS_MAX,
    }
}

/// What the server says of itself, or why it says nothing.
pub(super) fn meet(host: &dyn Host, login: &Login) -> Result<Met, String> {
    host.greet(login).map_err(|fault| fault.to_string())?;
    let ask = |text: &str| ask(host, text).map_err(|fault| fault.to_string());
    let rows = ask(INTRODUCTION)?;
    let word = |column| rows.get(0, column).unwrap_or_default();
    let server = Server::parse(word("version"), word("comment"))?;
    let granted = Granted::read(&ask(grants::QUESTION)?);
    let settings = Settings::read(&ask(&settings::question())?);
    let datadir = places::datadir(&settings)?;
    // Without the privilege to look nobody knows.
    let replica = ask(server.replica_status()).ok().map(|rows| !rows.rows.is_empty());
    // Every kind of lock but none needs the same.
    let mut needs = grants::base(&server, LockKind::FlushTables);
    if replica != Some(false) {
        needs.push(grants::replica(&server));
    }
    let needs = Granted::default().missing(&needs);
    let missing = granted.missing(&needs);
    let kept = places::named(&settings, &datadir).into_iter();
    let places = kept.filter(|place| place.role != Role::Temporary).map(|place| place.path);
    let account = word("account").to_owned();
    Ok(Met { places: places.collect(), server, account, missing, needs, replica, datadir })
}

fn ask(host: &dyn Host, text: &str) -> Result<Rows, Fault> {
    host.query(Session::Control, text, ASK_MS_MAX)
        .map_err(|fault| fault.during(&format!("cannot ask the server '{text}'")))
}
