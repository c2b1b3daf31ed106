//! `holdstill audit`: looks alone, printed.

use super::{ConfigFile, linux, login, read};
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::offsite;
use crate::plan::audit::{Pace, Sampling, audit};
use crate::ui;
use crate::units::Millis;

/// How often, and how many times, the volumes' write rate is looked at, unless it is watched.
const EACH: Millis = Millis(1_000);
const SAMPLES: u32 = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// Print one JSON object instead of a text.
    #[arg(long)]
    json: bool,
    /// Look for so long how fast the volumes are written to, and show each second what is known.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    watch: Option<u32>,
}

/// What was found, and the plan; every act is refused by the decorator.
pub(super) fn run(options: &Options) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let config = read(&host, &options.file.config)?;
    let login = login(&host, &config)?;
    let sampling = Sampling { each: EACH, samples: options.watch.unwrap_or(SAMPLES) };
    let shown = options.watch.is_some() && !options.json;
    let mut tell = |pace: &Pace| {
        if shown {
            ui::tell(&ui::audit::pace(pace));
        }
    };
    let mut found = audit(&host, &config, &login, &sampling, &mut tell);
    found.notes.extend(offsite::notes(&host, &config));
    let columns = ui::Sheet::of_stdout().map(|sheet| sheet.columns);
    let text =
        if options.json { ui::audit::json(&found) } else { ui::audit::text(&found, columns) };
    ui::show(&text)?;
    Ok(ui::audit::code(&found))
}
