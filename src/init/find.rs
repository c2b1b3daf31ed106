//! The looking, in one story: who runs, who we are to it, where its data is, where backups could
//! go. A person is asked where there is one; nobody else's answer is assumed.

use std::path::{Path, PathBuf};

use super::{
    Account, Asked, Facts, Met, Running, USUAL, account, choose, destination, processes, storage,
};
use crate::config::{self, Config};
use crate::error::Stop;
use crate::host::{Ask, Host, Mount, Reach};
use crate::option_file::OptionFile;
use crate::plan::{self, Refusal, mount_of};
use crate::shell;

/// Puts a question to a person, with what an empty answer means; the answer.
pub type Questions<'a> = &'a mut dyn FnMut(&str, &str) -> Result<String, Stop>;

/// What an answer says for root by the socket.
const NO_FILE: &str = "none";

/// Looks at the machine and the server. `ask` is nothing where nobody can be asked.
pub fn find(host: &dyn Host, asked: &Asked, mut ask: Option<Questions<'_>>) -> Result<Facts, Stop> {
    let machine = plan::machine(host)?;
    let servers = processes::servers(host)?;
    let usual = processes::usual_sockets(host);
    let choose = |options: &OptionFile| {
        let wanted = asked.socket.as_deref().or(options.socket.as_deref().map(Path::new));
        choose::server(servers.clone(), wanted, &usual)
    };
    let known = known(host, asked)?;
    // Who is asked for an option file knows by then that there is one server to be meant.
    choose(&known.1)?;
    let (account, options) = account(host, asked, known, &mut ask)?;
    let (server, socket) = choose(&options)?;
    let met = account::meet(host, &account::login(&account, &options, &socket));
    let datadir = datadir(&server, &met, &socket)?;
    let mounts = host.mounts()?;
    let home = storage::find(host, &datadir, &mounts)?;
    let taken = taken(host, &servers, &met, &home.mount, &mounts)?;
    let (destination, others) = match &asked.destination {
        Some(named) => (destination::named(host, named, &mounts, &taken)?, Vec::new()),
        None => place(host, &mounts, &taken, home.data, &mut ask)?,
    };
    let apart = apart(host, &asked.config, &socket, &destination.directory)?;
    let (host, config) = (machine.host, asked.config.clone());
    Ok(Facts { host, config, server, socket, account, met, home, destination, others, apart })
}

/// What to call this server's own places where the usual configuration is of another server. Their
/// backups never share a directory: of two servers the newest one would stand for both.
fn apart(
    host: &dyn Host,
    file: &Path,
    socket: &Path,
    destination: &Path,
) -> Result<Option<String>, Refusal> {
    let Some(usual) = another(host, file, socket) else { return Ok(None) };
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_', "-");
    if usual.destination.directory != destination {
        return Ok(Some(name));
    }
    let shown = destination.display();
    let what = format!("the backups of another server go to '{shown}', as '{USUAL}' says");
    let own = shell::path(&destination.join(&name));
    let hint = format!(
        "Make a directory for this one, and name it with '--destination', such as: mkdir -m 700 {own}"
    );
    Err(Refusal::new(what, hint))
}

/// The usual configuration, if it is there and of a server at another socket.
fn another(host: &dyn Host, file: &Path, socket: &Path) -> Option<Config> {
    let usual = Path::new(USUAL);
    let config = config::load(host, usual).ok().filter(|_| file != usual)?;
    let login = config::login(host, &config, None).ok()?;
    matches!(&login.reach, Reach::Socket(other) if other != socket).then_some(config)
}

/// The account that the operator named, or the usual one.
fn known(host: &dyn Host, asked: &Asked) -> Result<account::Known, Stop> {
    match &asked.option_file {
        Some(file) => account::named(host, file),
        None => Ok(account::usual(host, asked)),
    }
}

/// The account, of which a person is asked who has not named it.
fn account(
    host: &dyn Host,
    asked: &Asked,
    known: account::Known,
    ask: &mut Option<Questions<'_>>,
) -> Result<account::Known, Stop> {
    let Some(ask) = ask.as_mut().filter(|_| asked.option_file.is_none()) else {
        return Ok(known);
    };
    let default = known.0.option_file.as_ref();
    let default = default.map_or(NO_FILE.into(), |file| file.display().to_string());
    let what = "option file of the account to log in with ('none': root by the socket)";
    match ask(what, &default)?.as_str() {
        same if same == default => Ok(known),
        NO_FILE => {
            let none = Account { option_file: None, named: true, unusable: Vec::new() };
            Ok((none, OptionFile::default()))
        }
        file => account::named(host, Path::new(file)),
    }
}

/// Where the data is, as the server says, or as its process shows.
fn datadir(server: &Running, met: &Result<Met, String>, socket: &Path) -> Result<PathBuf, Refusal> {
    let seen = server.process.as_ref().and_then(|process| process.works_in.clone());
    match (met, seen) {
        (Ok(met), _) => Ok(met.datadir.clone()),
        (Err(_), Some(seen)) => Ok(seen),
        (Err(why), None) => {
            let what =
                format!("cannot find the data of the server at '{}': {why}", socket.display());
            let hint = "Start the server, or name an account that it lets in with '--option-file \
                        FILE'.";
            Err(Refusal::new(what, hint))
        }
    }
}

/// The devices that any server works on: no place for a backup.
fn taken(
    host: &dyn Host,
    servers: &[Running],
    met: &Result<Met, String>,
    home: &Mount,
    mounts: &[Mount],
) -> Result<Vec<String>, Refusal> {
    let mut taken = vec![home.device.clone()];
    let seen = servers.iter().filter_map(|one| one.process.as_ref()?.works_in.as_ref());
    let told = met.iter().flat_map(|met| &met.places);
    for path in seen.chain(told) {
        if let Some(entry) = host.entry(path)? {
            taken.extend(mount_of(&entry, mounts).map(|mount| mount.device.clone()));
            taken.push(entry.device);
        }
    }
    Ok(taken)
}

/// Where backups will go, and where else they could.
fn place(
    host: &dyn Host,
    mounts: &[Mount],
    taken: &[String],
    data: crate::units::Bytes,
    ask: &mut Option<Questions<'_>>,
) -> Result<(super::Place, Vec<super::Place>), Stop> {
    let (places, passed_over) = destination::places(host, mounts, taken, data)?;
    let chosen = match (ask, places.first()) {
        (Some(ask), Some(first)) => {
            let default = first.directory.display().to_string();
            let answer = ask("directory for the backups", &default)?;
            if answer == default {
                Some(first.clone())
            } else {
                Some(destination::named(host, Path::new(&answer), mounts, taken)?)
            }
        }
        _ => choose::place(&places).cloned(),
    };
    let chosen = chosen.ok_or_else(|| choose::no_place(&places, &passed_over))?;
    let others = places.into_iter().filter(|place| place.directory != chosen.directory);
    let others = others.collect();
    Ok((chosen, others))
}
