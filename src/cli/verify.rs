//! `holdstill verify`: backups are read and held against their manifests, and what was found is
//! remembered. A lock against removals alone: it changes nothing of a backup, and takes hours.

use std::str::FromStr;

use super::{ConfigFile, at, destination, keep, machine, read};
use crate::config::{self, Config};
use crate::error::{Code, Stop};
use crate::host::{Ask, Fault, Host};
use crate::locks;
use crate::memory::{self, How};
use crate::store::Missing;
use crate::ui::verify::{Answer, Bar, text};
use crate::ui::{self, Sheet};
use crate::verify::{self, End, Order, Share, Which};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// The backup, by its name or a beginning that only it has; the newest if none is named.
    #[arg(value_name = "RUN", conflicts_with = "all")]
    run: Option<String>,
    /// Every backup of the destination, oldest first.
    #[arg(long)]
    all: bool,
    /// Read a share of the files: so many percent ('10%') or about so many files ('500'), others
    /// each day until all were read. Everything but the content is looked at of all.
    #[arg(long, value_name = "SHARE")]
    sample: Option<Share>,
    /// At this place under [[offsite]] instead: a host is compared with what is here, byte by byte;
    /// a repository is checked by its own sums, all or a share of its data, and the backup in it by
    /// its manifest.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all", "json"])]
    at: Option<String>,
    /// Print one JSON object a backup, on a line of its own.
    #[arg(long)]
    json: bool,
}

/// The worst of what was found.
pub(super) fn verify(options: &Options) -> Result<Code, Stop> {
    if let Some(place) = &options.at {
        let run = options.run.as_deref();
        return at::verify(&options.file, place, run, options.sample);
    }
    let mut host = machine()?;
    let config = read(&host, &options.file.config)?;
    let destination = destination(&host, &config)?;
    let which = match &options.run {
        Some(run) => Which::One(run.clone()),
        None if options.all => Which::All,
        None => Which::Newest,
    };
    let missing =
        |why: Missing| Stop::Usage(vec![config::Complaint::new(why.what(destination), why.hint())]);
    let chosen = verify::choose(&host.list(destination)?, &which).map_err(missing)?;
    let what = chosen.first().filter(|_| chosen.len() == 1).map_or("backups", String::as_str);
    let who = format!("a verification of {what}");
    keep(&mut host, &config.state_dir, locks::VERIFY, &who);
    let mut worst = Code::Clean;
    for run in &chosen {
        let ended = one(&mut host, &config, run, options);
        match (ended, host.signal()?.map(u8::try_from)) {
            (Ok(Code::Clean), _) => {}
            (Ok(Code::Refused), _) if options.all => {}
            (Ok(code), _) => worst = code,
            (Err(_), Some(Ok(signal))) => return Ok(Code::Interrupted(signal)),
            (Err(fault), _) => {
                ui::complain(&format!("holdstill: cannot verify '{run}': {fault}\n"));
                worst = if worst == Code::Damaged { worst } else { Code::Unexpected };
            }
        }
    }
    Ok(worst)
}

/// Verifies one backup, tells what was found, and remembers it.
fn one(host: &mut impl Host, config: &Config, run: &str, options: &Options) -> Result<Code, Fault> {
    let share = options.sample.unwrap_or(Share::All);
    let path = config.destination.directory.join(run);
    let order = Order { path: &path, run, share, priority: config.copy.priority };
    let sheet = Sheet::of_stdout().filter(|_| !options.json);
    let mut bar = Bar::new(sheet);
    let end = verify::verify(host, &order, &mut |progress| bar.further(progress));
    bar.end();
    let end = end?;
    let remembered = remember(host, config, run, &end);
    let shown = if options.json { Answer::of(run, &end).line() } else { text(run, &end) };
    ui::show(&shown).map_err(|why| Fault::unsure(format!("{why:#}")))?;
    if let Err(fault) = remembered {
        ui::complain(&format!("holdstill: cannot note what was found of '{run}': {fault}\n"));
    }
    Ok(match &end {
        End::Looked(verdict) if verdict.is_sound() => Code::Clean,
        End::Looked(_) => Code::Damaged,
        End::NoManifest | End::Gone => Code::Refused,
    })
}

/// Reads a backup whole and remembers what was found; whether it is sound.
pub(super) fn is_sound(host: &mut impl Host, config: &Config, run: &str) -> Result<bool, Fault> {
    let path = config.destination.directory.join(run);
    let order = Order { path: &path, run, share: Share::All, priority: config.copy.priority };
    let end = verify::verify(host, &order, &mut |_| {})?;
    remember(host, config, run, &end)?;
    Ok(matches!(end, End::Looked(verdict) if verdict.is_sound()))
}

fn remember(host: &mut dyn Host, config: &Config, run: &str, end: &End) -> Result<(), Fault> {
    let End::Looked(verdict) = end else { return Ok(()) };
    memory::remember(host, &config.state_dir, run, verdict.how, verdict.finding())?;
    for sharer in verdict.sharers.iter().flatten() {
        let finding = verdict.finding_of(sharer);
        memory::remember(host, &config.state_dir, &sharer.run, How::Shared, finding)?;
    }
    Ok(())
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a share like '10%' or a number of files, found '{text}'");
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent));
            return percent.map(Self::Percent).ok_or_else(wrong);
        }
        text.parse().ok().filter(|files| *files > 0).map(Self::Files).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_of_a_hundred_or_a_number_of_files() {
        assert_eq!("10%".parse(), Ok(Share::Percent(10)));
        assert_eq!("100%".parse(), Ok(Share::Percent(100)));
        assert_eq!("500".parse(), Ok(Share::Files(500)));
        for wrong in ["", "%", "0%", "101%", "0", "-1", "1.5%", "ten"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
