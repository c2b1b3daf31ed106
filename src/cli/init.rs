//! `holdstill init`: looks, asks a person if there is one, and writes a first configuration.

use std::path::{Path, PathBuf};

use super::{ConfigFile, linux};
use crate::config::{self, Complaint};
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::host::{Ask, Host};
use crate::init::{self, Asked, Facts, Questions};
use crate::plan::{self, Asking, Refusal};
use crate::ui;

/// What is wanted; what is not said is looked for.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    #[command(flatten)]
    file: ConfigFile,
    /// Where backups go: a directory on another filesystem than the data.
    #[arg(long, value_name = "DIR")]
    destination: Option<PathBuf>,
    /// The option file with the account's user and password.
    #[arg(long, value_name = "FILE")]
    option_file: Option<PathBuf>,
    /// The server's socket, where several servers run.
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// Print the configuration, and touch nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn init(wanted: &Init) -> Result<Code, Stop> {
    let asked = asked(wanted)?;
    if wanted.dry_run {
        let host = DryRun(linux()?);
        let (facts, text, audit) = look(&host, &asked)?;
        ui::show(&text)?;
        ui::complain(&told(&facts, None, &audit, None));
        return Ok(Code::Clean);
    }
    let mut host = linux()?;
    init::vacant(&host, &asked.config)?;
    let (facts, text, audit) = look(&host, &asked)?;
    init::write(&mut host, &asked.config, &text)?;
    let wrote = Some(asked.config.as_path());
    let columns = ui::Sheet::of_stdout().map(|sheet| sheet.columns);
    ui::tell(&told(&facts, wrote, &audit, columns));
    Ok(Code::Clean)
}

fn told(facts: &Facts, wrote: Option<&Path>, audit: &Audited, columns: Option<usize>) -> String {
    ui::found(&init::notes(facts), wrote, audit, &init::next(facts), columns)
}

/// What is wanted, if every path is one that a configuration may say.
fn asked(wanted: &Init) -> Result<Asked, Stop> {
    let named = [
        ("--config", Some(&wanted.file.config)),
        ("--destination", wanted.destination.as_ref()),
        ("--option-file", wanted.option_file.as_ref()),
        ("--socket", wanted.socket.as_ref()),
    ];
    let relative = named.into_iter().filter_map(|(option, path)| Some((option, path?)));
    let relative = relative.filter(|(_, path)| !path.is_absolute());
    let complaint = |(option, path): (&str, &PathBuf)| {
        let what = format!("{option}: expected an absolute path, found '{}'", path.display());
        Complaint::new(what, "Write the whole path, from '/'.")
    };
    let complaints: Vec<_> = relative.map(complaint).collect();
    if !complaints.is_empty() {
        return Err(Stop::Usage(complaints));
    }
    Ok(Asked {
        config: wanted.file.config.clone(),
        destination: wanted.destination.clone(),
        option_file: wanted.option_file.clone(),
        socket: wanted.socket.clone(),
    })
}

/// What an audit says to a configuration.
type Audited = Result<(), Vec<Refusal>>;

/// What was found, the configuration made of it, and what an audit says to that. One that would not
/// pass its own check is not written.
fn look(host: &dyn Host, asked: &Asked) -> Result<(Facts, String, Audited), Stop> {
    let mut put = |what: &str, default: &str| question(host, what, default);
    let ask = ui::is_a_person().then_some(&mut put as Questions<'_>);
    let facts = init::find(host, asked, ask)?;
    let text = init::compose(&facts);
    config::check_text(host, &asked.config, &text, None).map_err(Stop::Usage)?;
    let audit = audit(host, asked, &text)?;
    Ok((facts, text, audit))
}

fn audit(host: &dyn Host, asked: &Asked, text: &str) -> Result<Audited, Stop> {
    let config = config::parse(&asked.config, text).map_err(Stop::Usage)?;
    let login = config::login(host, &config, None).map_err(|one| Stop::Usage(vec![one]))?;
    Ok(plan::make::plan(host, &config, &login, Asking::Only).map(drop))
}

fn question(host: &dyn Host, what: &str, default: &str) -> Result<String, Stop> {
    let stopped = || matches!(host.signal(), Ok(Some(_)));
    ui::question(what, default, &stopped).ok_or_else(|| {
        let signal = host.signal().ok().flatten().and_then(|number| u8::try_from(number).ok());
        Stop::Interrupted(signal.unwrap_or(SIGINT))
    })
}

/// The signal of an operator who types ^C; what is said where the end of the input is typed.
const SIGINT: u8 = 2;
