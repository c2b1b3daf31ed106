//! `holdstill push` and `holdstill fetch`; what others do `--at` a place is in `at.rs`.
//! No run lock: a night's backup does not wait for a network. A lock of its own keeps the backups
//! here from being pruned meanwhile.

use super::{ConfigFile, destination, machine, own_destination, read, shown, tell};
use crate::config::{Complaint, Config, Offsite, Push};
use crate::error::{Code, Stop};
use crate::host::linux::service::Service;
use crate::host::{Ask, Fault, Host};
use crate::locks::{self, Held};
use crate::offsite::{self, Depth, Event, Far, Fetched, Pushed, Site, Trouble, Work};
use crate::plan::Refusal;
use crate::store::{self, Form, Found};
use crate::ui::offsite as told;
use crate::ui::verify::Bar;
use crate::ui::{self, Manner, PushedTo, Screen, Sheet, Streams};

#[derive(Debug, clap::Args)]
pub(super) struct PushOptions {
    #[command(flatten)]
    file: ConfigFile,
    /// Only to this place of the configuration; to all of them if none is named.
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// The backup, by its name or a beginning that only it has; the newest sound one if left out.
    run: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct FetchOptions {
    #[command(flatten)]
    file: ConfigFile,
    /// From this place of the configuration; it may be left out where there is one alone.
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// The backup, by its name or a beginning that only it has.
    run: String,
}

/// Pushes a backup; 10 if it is not at every place that was meant.
pub(super) fn push(options: &PushOptions) -> Result<Code, Stop> {
    let screen = Screen::new(Manner::Lines, Streams::standard(), Service::default());
    let mut host = shown(&screen, machine()?);
    let config = read(&host, &options.file.config)?;
    let places = places(&config, options.to.as_deref())?;
    // First by looking alone: what is refused is refused before anything is touched.
    destination(&host, &config)?;
    usable(&host, &config, &places)?;
    let one = offsite::choose(&host, &config, options.run.as_deref()).map_err(refused)?;
    take(&mut host, &config, &format!("a push of backup {}", one.run))?;
    // It may have gone before it was kept from going.
    let one = offsite::choose(&host, &config, Some(&one.run)).map_err(refused)?;
    let mut code = Code::Clean;
    for place in places {
        let mut bar = Progress::new();
        let ended = push_to(&mut host, &config, place, &one, &mut |event| bar.event(event));
        bar.end();
        if ended.is_err() {
            code = interrupted(&host)?.unwrap_or(Code::NotPushed);
        }
        let (place, run, ended) = (place.name.as_str(), one.run.as_str(), ended.as_ref().copied());
        screen.pushed(&PushedTo { place, run, ended, code });
        if matches!(code, Code::Interrupted(_)) {
            break;
        }
    }
    Ok(code)
}

/// What follows a backup that was published: it goes to the places that want it at once. By then
/// the run is over and its lock is free, so the next backup does not wait for a network.
pub(super) fn after(config: &Config, run: &str, screen: &Screen) -> Code {
    let wanted = |place: &&Offsite| place.push == Push::AfterBackup;
    let places: Vec<&Offsite> = config.offsite.iter().filter(wanted).collect();
    if places.is_empty() {
        return Code::Clean;
    }
    push_all(config, run, &places, screen).unwrap_or_else(|stop| {
        ui::complain(&stop.message());
        ui::complain(&format!("holdstill: '{run}' is published, and not pushed\n"));
        Code::NotPushed
    })
}

/// However one of them ends, each has its turn, and what is remembered of it is how it went.
fn push_all(
    config: &Config,
    run: &str,
    places: &[&Offsite],
    screen: &Screen,
) -> Result<Code, Stop> {
    let mut host = machine()?;
    let ready = take(&mut host, config, &format!("a push of backup {run}"))
        .and_then(|()| offsite::choose(&host, config, Some(run)).map_err(refused));
    let ready = ready.map_err(|stop| trouble_of(&stop));
    let mut code = Code::Clean;
    for place in places {
        let name = place.name.as_str();
        let ended = match &ready {
            Ok(one) => push_to(&mut host, config, place, one, &mut |_| {}),
            Err(why) => Err(offsite::not_begun(&mut host, config, name, run, why.clone())),
        };
        if ended.is_err() {
            code = Code::NotPushed;
        }
        screen.pushed(&PushedTo { place: name, run, ended: ended.as_ref().copied(), code });
    }
    Ok(code)
}

fn push_to(
    host: &mut dyn Host,
    config: &Config,
    place: &Offsite,
    one: &Found,
    tell: &mut dyn FnMut(Event),
) -> Result<Pushed, Trouble> {
    let ready = host.heed_signal().map_err(Trouble::from);
    let ready = ready.and_then(|()| Ok(offsite::prepare(host, config, place)?));
    match ready {
        Ok(site) => offsite::push(&site, &mut Work { host, tell }, config, one),
        Err(why) => Err(offsite::not_begun(host, config, &place.name, &one.run, why)),
    }
}

/// Refuses if there is none among them that can be worked with.
fn usable(host: &dyn Host, config: &Config, places: &[&Offsite]) -> Result<(), Stop> {
    let ready = places.iter().map(|place| offsite::prepare(host, config, place));
    let refused: Vec<Refusal> = ready.filter_map(Result::err).collect();
    if refused.len() == places.len() { Err(Stop::Refused(refused)) } else { Ok(()) }
}

/// A reason to stop, of a push that is one of several.
fn trouble_of(stop: &Stop) -> Trouble {
    let reasons = stop.reasons();
    let why: Vec<&str> = reasons.iter().map(|one| one.what.as_str()).collect();
    let hint = reasons.iter().find_map(|one| one.hint.clone());
    Trouble { fault: Fault::refused(why.join("; ")), hint }
}

/// Brings a backup back into the destination.
pub(super) fn fetch(options: &FetchOptions) -> Result<Code, Stop> {
    let screen = Screen::new(Manner::Lines, Streams::standard(), Service::default());
    let mut host = shown(&screen, machine()?);
    let config = read(&host, &options.file.config)?;
    let site = only(&host, &config, options.from.as_deref(), "--from")?;
    own_destination(&host, &config)?;
    let name = site.place.name.clone();
    let all = match site.list(&host) {
        Ok(all) => all,
        Err(trouble) => return failed(&host, &format!("cannot look at '{name}'"), &trouble),
    };
    let far = pick(&all, &name, Some(&options.run))?;
    take(&mut host, &config, &format!("a fetch of backup {}", far.run))?;
    let mut bar = Progress::new();
    let mut event = |event| bar.event(event);
    let mut work = Work { host: &mut host, tell: &mut event };
    let ended = offsite::fetch(&site, &mut work, &config, &far);
    bar.end();
    match ended {
        Ok(fetched) => {
            ui::tell(&told::fetched(&far, &host.machine()?.host, &fetched));
            // All of it was read.
            match &fetched {
                Fetched::Here(_) => note(&mut host, &config, &name, &far.run, &[], Depth::All),
                Fetched::Damaged(verdict) => {
                    let problems = verdict.finding().problems;
                    note(&mut host, &config, &name, &far.run, &problems, Depth::All);
                }
                Fetched::Already => {}
            }
            if let Fetched::Damaged(_) = fetched {
                let partial = config.destination.directory.join(Form::Partial.name(&far.run));
                let at = partial.display();
                ui::complain(&format!(
                    "holdstill: what came of '{}' is damaged, and stays as '{at}'\n\
                     hint: Another place may have it whole; what is there you may remove.\n",
                    far.run
                ));
                return Ok(Code::Damaged);
            }
            Ok(Code::Clean)
        }
        Err(trouble) => failed(&host, &format!("'{}' is not fetched", far.run), &trouble),
    }
}

/// Notes what was found at a place.
pub(super) fn note(
    host: &mut dyn Host,
    config: &Config,
    place: &str,
    run: &str,
    problems: &[String],
    depth: Depth,
) {
    let noted = offsite::note_verified(host, &config.state_dir, place, run, problems, depth);
    if let Err(fault) = noted {
        ui::complain(&format!("holdstill: cannot note what was found of '{run}': {fault}\n"));
    }
}

/// The places that are meant.
fn places<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Offsite>, Stop> {
    let all = &config.offsite;
    if all.is_empty() {
        let hint = "Add a table [[offsite]]; the shipped 'full.toml' tells what belongs into it.";
        return Err(usage("no place elsewhere is configured", hint));
    }
    let Some(name) = name else { return Ok(all.iter().collect()) };
    let found: Vec<&Offsite> = all.iter().filter(|place| place.name == name).collect();
    if found.is_empty() {
        let known: Vec<&str> = all.iter().map(|place| place.name.as_str()).collect();
        let hint = format!("The configuration names: {}.", known.join(", "));
        return Err(usage(format!("there is no place '{name}'"), hint));
    }
    Ok(found)
}

/// The one place that is meant, ready to be worked with.
pub(super) fn only(
    host: &dyn Host,
    config: &Config,
    name: Option<&str>,
    option: &str,
) -> Result<Site, Stop> {
    if let [place] = places(config, name)?[..] {
        return Ok(offsite::prepare(host, config, place)?);
    }
    let known: Vec<&str> = config.offsite.iter().map(|one| one.name.as_str()).collect();
    let hint = format!("Name one with '{option}': {}.", known.join(", "));
    Err(usage("there are several places", hint))
}

/// The backup at a place that is meant; the newest whole one if none is named.
pub(super) fn pick(all: &[Far], place: &str, wanted: Option<&str>) -> Result<Far, Stop> {
    let whole = || all.iter().filter(|far| far.form == Form::Whole);
    let wanted = match wanted {
        Some(wanted) => wanted.to_owned(),
        None => whole().next_back().map(|far| far.run.clone()).unwrap_or_default(),
    };
    let run = store::pick(whole().map(|far| far.run.clone()), &wanted).map_err(|missing| {
        let at = format!("at '{place}'");
        let what = missing.what(std::path::Path::new(place)).replace(&format!("in '{place}'"), &at);
        let hint = match missing {
            store::Missing::Any => format!("Push one: holdstill push --to {place}"),
            _ => format!("Look at 'holdstill list --at {place}'."),
        };
        usage(what, hint)
    })?;
    let found = whole().find(|far| far.run == run).cloned();
    found.ok_or_else(|| usage(format!("there is no backup '{run}'"), "Look once more."))
}

pub(super) fn take(host: &mut dyn Host, config: &Config, what: &str) -> Result<(), Stop> {
    match locks::take(host, &config.state_dir, locks::PUSH, what)? {
        Held::Ours => {
            tell(&locks::removing(host, &config.state_dir)?.into_iter().collect::<Vec<_>>());
            Ok(())
        }
        Held::Others(holder) => Err(Stop::Busy { holder }),
    }
}

pub(super) fn interrupted(host: &dyn Host) -> Result<Option<Code>, Stop> {
    let signal = host.signal()?.and_then(|signal| u8::try_from(signal).ok());
    Ok(signal.map(Code::Interrupted))
}

pub(super) fn failed(host: &dyn Host, what: &str, trouble: &Trouble) -> Result<Code, Stop> {
    complain(what, trouble);
    Ok(interrupted(host)?.unwrap_or(Code::Unexpected))
}

pub(super) fn complain(what: &str, trouble: &Trouble) {
    ui::complain(&told::trouble(what, trouble));
}

pub(super) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Stop {
    Stop::Usage(vec![Complaint::new(what, hint)])
}

/// What is typed does not fit what is there; without a hint it is the machine that does not.
fn refused(trouble: Trouble) -> Stop {
    match trouble.hint {
        Some(hint) => usage(trouble.fault.to_string(), hint),
        None => trouble.fault.into(),
    }
}

/// How far it is, on a terminal; the phases are lines anywhere.
pub(super) struct Progress {
    bar: Bar,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { bar: Bar::new(Sheet::of_stdout()) }
    }

    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Phase(phase) => {
                self.end();
                ui::tell(&format!("  {phase}\n"));
            }
            Event::Further(progress) => self.bar.further(progress),
        }
    }

    pub(super) fn end(&mut self) {
        self.bar.end();
    }
}
