//! `holdstill push` and `holdstill fetch`, and what `list`, `verify` and `prune` do `--at` a place.
//! No run lock: a night's backup does not wait for a network. A lock of its own keeps the backups
//! here from being pruned meanwhile.

use super::{ConfigFile, linux, machine, read, shown};
use crate::config::{Complaint, Config, Offsite, Push};
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::host::linux::service::Service;
use crate::host::{Ask, Fault, Host};
use crate::offsite::{self, Depth, Event, Far, Fetched, Held, Pushed, Site, Trouble, Work};
use crate::store::{self, Form, Found};
use crate::ui::offsite as told;
use crate::ui::verify::Bar;
use crate::ui::{self, Manner, PushedTo, Screen, Sheet, Streams};
use crate::verify::Share;

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
    let sites = prepared(&host, &config, &places)?;
    let one = offsite::choose(&host, &config, options.run.as_deref()).map_err(refused)?;
    take(&mut host, &config, &format!("a push of backup {}", one.run))?;
    let mut code = Code::Clean;
    for site in &sites {
        let mut bar = Progress::new();
        let mut event = |event| bar.event(event);
        let mut work = Work { host: &mut host, tell: &mut event };
        let ended = offsite::push(site, &mut work, &config, &one);
        bar.end();
        match ended {
            Ok(pushed) => ui::tell(&told::pushed(&site.place.name, &one.run, pushed)),
            Err(trouble) => {
                complain(
                    &format!("'{}' is not pushed to '{}'", one.run, site.place.name),
                    &trouble,
                );
                code = interrupted(&host)?.unwrap_or(Code::NotPushed);
            }
        }
        if matches!(code, Code::Interrupted(_)) {
            break;
        }
    }
    Ok(code)
}

/// What follows a backup that was published: it goes to the places that want it at once. By then
/// the run is over and its lock is free, so the next backup does not wait for a network.
pub(super) fn after(config: &Config, run: &str, screen: &Screen) -> Code {
    let mut code = Code::Clean;
    let mut ready = None;
    for place in config.offsite.iter().filter(|place| place.push == Push::AfterBackup) {
        let ready = ready.get_or_insert_with(|| ready_to_push(config, run));
        let ended = match ready {
            Ok((host, one)) => push_to(host, config, place, one),
            Err(trouble) => Err(trouble.clone()),
        };
        if ended.is_err() {
            code = Code::NotPushed;
        }
        let (place, ended) = (place.name.as_str(), ended.as_ref().copied());
        screen.pushed(&PushedTo { place, run, ended, code });
    }
    code
}

/// A host, and the backup that nobody removes as long as it is there.
fn ready_to_push(config: &Config, run: &str) -> Result<(impl Host, Found), Trouble> {
    let ready = || {
        let mut host = machine()?;
        take(&mut host, config, &format!("a push of backup {run}"))?;
        let one = offsite::choose(&host, config, Some(run)).map_err(refused)?;
        Ok((host, one))
    };
    ready().map_err(|stop: Stop| {
        let reasons = stop.reasons();
        let why: Vec<&str> = reasons.iter().map(|one| one.what.as_str()).collect();
        let hint = reasons.iter().find_map(|one| one.hint.clone());
        Trouble { fault: Fault::refused(why.join("; ")), hint }
    })
}

fn push_to(
    host: &mut dyn Host,
    config: &Config,
    place: &Offsite,
    one: &Found,
) -> Result<Pushed, Trouble> {
    let site = offsite::prepare(host, config, place)
        .map_err(|refusal| Trouble { fault: Fault::refused(refusal.what), hint: refusal.hint })?;
    let mut work = Work { host, tell: &mut |_| {} };
    offsite::push(&site, &mut work, config, one)
}

/// Brings a backup back into the destination.
pub(super) fn fetch(options: &FetchOptions) -> Result<Code, Stop> {
    let screen = Screen::new(Manner::Lines, Streams::standard(), Service::default());
    let mut host = shown(&screen, machine()?);
    let config = read(&host, &options.file.config)?;
    let site = only(&host, &config, options.from.as_deref(), "--from")?;
    super::prune::place(&host, &config)?;
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
            ui::tell(&told::fetched(&far.run, &fetched));
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

/// What stands at a place.
pub(super) fn list(file: &ConfigFile, place: &str, json: bool) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let config = read(&host, &file.config)?;
    let site = only(&host, &config, Some(place), "--at")?;
    match site.list(&host) {
        Ok(all) => {
            let now = host.machine()?.unix_seconds;
            let text =
                if json { told::list_json(place, &all) } else { told::list(place, &all, now) };
            ui::show(&text)?;
            Ok(Code::Clean)
        }
        Err(trouble) => failed(&host, &format!("cannot look at '{place}'"), &trouble),
    }
}

/// Holds a backup at a place against the one here, or a repository against its own sums.
pub(super) fn verify(
    file: &ConfigFile,
    place: &str,
    run: Option<&str>,
    share: Option<Share>,
) -> Result<Code, Stop> {
    let mut host = machine()?;
    let config = read(&host, &file.config)?;
    let site = only(&host, &config, Some(place), "--at")?;
    let depth = match share {
        None | Some(Share::All) => Depth::All,
        Some(Share::Percent(percent)) => Depth::Percent(percent),
        Some(Share::Files(_)) => {
            let hint = "Write a part of it, as in '--sample 10%'.";
            return Err(usage("a place elsewhere is not read by a number of files", hint));
        }
    };
    let all = match site.list(&host) {
        Ok(all) => all,
        Err(trouble) => return failed(&host, &format!("cannot look at '{place}'"), &trouble),
    };
    let far = pick(&all, place, run)?;
    take(&mut host, &config, &format!("a verification of backup {} at '{place}'", far.run))?;
    let local = config.destination.directory.join(&far.run);
    let local = offsite::here(&host, &config, &far.run)?.then_some(local.as_path());
    let mut bar = Progress::new();
    let mut event = |event| bar.event(event);
    let mut work = Work { host: &mut host, tell: &mut event };
    let ended = site.verify(&mut work, &far, local, depth);
    bar.end();
    site.close(&mut host);
    match ended {
        Ok(wrong) => {
            ui::show(&told::verified(place, &far.run, &wrong))?;
            Ok(if wrong.is_empty() { Code::Clean } else { Code::Damaged })
        }
        Err(trouble) => failed(&host, &format!("cannot verify '{}'", far.run), &trouble),
    }
}

/// Removes what no rule of the place keeps.
pub(super) fn prune(file: &ConfigFile, place: &str, dry: bool) -> Result<Code, Stop> {
    let screen = Screen::new(Manner::Lines, Streams::standard(), Service::default());
    let mut host = shown(&screen, machine()?);
    let config = read(&host, &file.config)?;
    let site = only(&host, &config, Some(place), "--at")?;
    let Some(rules) = &site.place.retention else {
        ui::tell(&format!("nothing is ever removed: the place '{place}' has no rule\n"));
        return Ok(Code::Clean);
    };
    if !dry {
        take(&mut host, &config, &format!("a pruning of '{place}'"))?;
    }
    let all = match site.list(&host) {
        Ok(all) => all,
        Err(trouble) => return failed(&host, &format!("cannot look at '{place}'"), &trouble),
    };
    let names = host.list(&config.destination.directory)?;
    let here: Vec<String> = names.into_iter().filter(|name| store::is_run(name)).collect();
    let plan = offsite::judge(&site, &all, rules, host.machine()?.began(), &here);
    ui::tell(&told::removal(&plan));
    if dry {
        ui::tell("nothing was touched\n");
        return Ok(Code::Clean);
    }
    let mut work = Work { host: &mut host, tell: &mut |_| {} };
    let (mut code, mut removed) = (Code::Clean, 0);
    for (name, ended) in offsite::prune(&site, &mut work, &plan) {
        match ended {
            Ok(()) => removed += 1,
            Err(trouble) => {
                complain(&format!("cannot remove '{name}' at '{place}'"), &trouble);
                code = Code::Unexpected;
            }
        }
    }
    ui::tell(&format!("removed {removed} at '{place}'\n"));
    Ok(interrupted(&host)?.unwrap_or(code))
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
fn only(host: &dyn Host, config: &Config, name: Option<&str>, option: &str) -> Result<Site, Stop> {
    if let [place] = places(config, name)?[..] {
        return Ok(offsite::prepare(host, config, place)?);
    }
    let known: Vec<&str> = config.offsite.iter().map(|one| one.name.as_str()).collect();
    let hint = format!("Name one with '{option}': {}.", known.join(", "));
    Err(usage("there are several places", hint))
}

fn prepared(host: &dyn Host, config: &Config, places: &[&Offsite]) -> Result<Vec<Site>, Stop> {
    let ready = places.iter().map(|place| offsite::prepare(host, config, place));
    Ok(ready.collect::<Result<Vec<_>, _>>()?)
}

/// The backup at a place that is meant; the newest whole one if none is named.
fn pick(all: &[Far], place: &str, wanted: Option<&str>) -> Result<Far, Stop> {
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

fn take(host: &mut dyn Host, config: &Config, what: &str) -> Result<(), Stop> {
    match offsite::take(host, &config.state_dir, what)? {
        Held::Ours => Ok(()),
        Held::Others(holder) => Err(Stop::Busy { holder }),
    }
}

fn interrupted(host: &dyn Host) -> Result<Option<Code>, Stop> {
    let signal = host.signal()?.and_then(|signal| u8::try_from(signal).ok());
    Ok(signal.map(Code::Interrupted))
}

fn failed(host: &dyn Host, what: &str, trouble: &Trouble) -> Result<Code, Stop> {
    complain(what, trouble);
    Ok(interrupted(host)?.unwrap_or(Code::Unexpected))
}

fn complain(what: &str, trouble: &Trouble) {
    ui::complain(&told::trouble(what, trouble));
}

fn usage(what: impl Into<String>, hint: impl Into<String>) -> Stop {
    Stop::Usage(vec![Complaint::new(what, hint)])
}

fn refused(trouble: Trouble) -> Stop {
    let hint = trouble.hint.unwrap_or_else(|| "Look at 'holdstill list'.".into());
    usage(trouble.fault.to_string(), hint)
}

/// How far it is, on a terminal; the phases are lines anywhere.
struct Progress {
    bar: Bar,
}

impl Progress {
    fn new() -> Self {
        Self { bar: Bar::new(Sheet::of_stdout()) }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Phase(phase) => {
                self.end();
                ui::tell(&format!("  {phase}\n"));
            }
            Event::Further(progress) => self.bar.further(progress),
        }
    }

    fn end(&mut self) {
        self.bar.end();
    }
}
