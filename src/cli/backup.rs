//! `holdstill backup`: one run from the configuration to its report.

use std::path::Path;

use super::{load, lock, machine, shown};
use crate::config::Config;
use crate::error::{Code, Stop};
use crate::host::{Act, Ask, Host};
use crate::plan::{self, Refusal};
use crate::recover::{self, Recovered};
use crate::ui::Screen;
use crate::{ledger, run};

/// One backup: lock, settle the dead, plan, run, report.
pub(super) fn backup(file: &Path) -> Result<Code, Stop> {
    let screen = Screen::new();
    let mut host = shown(&screen, machine()?);
    let (config, login) = load(&host, file)?;
    if host.entry(&config.state_dir).map_err(Refusal::from)?.is_some() {
        lock(&mut host, &config.state_dir, "a run that still plans")?;
        settle_the_dead(&mut host, &config, &screen)?;
    }
    let plan = plan::make::plan(&host, &config, &login).map_err(Stop::Refused)?;
    lock(&mut host, &config.state_dir, &format!("run {}", plan.run))?;
    host.act(&Act::MakeDir(ledger::directory(&config.state_dir)))?;
    screen.begin(&plan);
    let outcome = run::backup(&mut host, &plan, &mut |event| screen.event(&event));
    drop(host);
    screen.outcome(&plan, &outcome);
    Ok(Code::of(&outcome))
}

/// What dead runs left is settled before a new plan looks at the machine.
fn settle_the_dead(host: &mut dyn Host, config: &Config, screen: &Screen) -> Result<(), Stop> {
    let all = recover::recover(host, &config.state_dir)?;
    let unsettled: Vec<&Recovered> = all.iter().filter(|one| !one.end.is_clean()).collect();
    screen.recovered(&all);
    match unsettled.first() {
        None => Ok(()),
        Some(one) => Err(Stop::Unsettled(Refusal::new(
            format!("a dead run is not settled: its ledger '{}' is kept", one.path.display()),
            "Run 'holdstill recover' and do what it says, then try again.",
        ))),
    }
}
