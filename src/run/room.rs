//! The room that what changes takes while a copy goes on, looked at again and again: of a thick
//! snapshot its COW store, which is extended while it may be; of a thin one its pool.
//!
//! A store that overflows costs the snapshot and nothing else; a pool that fills up stops the
//! server. The copy is given up before either.

use std::collections::VecDeque;

use super::{Event, Run};
use crate::claim::extended;
use crate::host::{Act, Ask, Cmd, CowFill, Fault};
use crate::plan::{Source, Store};
use crate::snapshot::{lvm, thick};
use crate::units::{Bytes, Millis};

/// How far back the looks go from which it is told when a store will be full.
const MEMORY_NS: u64 = 60_000_000_000;

/// Two looks that are nearer than this tell nothing about a rate.
const APART_NS_MIN: u64 = 2_000_000_000;

/// How full a COW store is, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filling {
    /// How full, in whole percent.
    pub percent: u64,
    /// When it will be full if the server goes on writing as it does; nothing if that is not known
    /// yet, or if it does not write.
    pub full_in: Option<Millis>,
}

/// The room of every snapshot.
#[derive(Debug)]
pub(super) struct Rooms<'a> {
    stores: Vec<State<'a>>,
}

/// What is known of a store.
#[derive(Debug)]
struct State<'a> {
    source: &'a Source,
    store: &'a Store,
    /// When it was looked at, and how much of it was used.
    looks: VecDeque<(u64, Bytes)>,
    /// Whether it can be extended no more.
    at_its_end: bool,
}

impl<'a> Rooms<'a> {
    /// The rooms of these sources.
    pub(super) fn of(sources: &'a [Source]) -> Self {
        let state = |source: &'a Source| {
            let store = source.store.as_ref()?;
            Some(State { source, store, looks: VecDeque::new(), at_its_end: false })
        };
        Self { stores: sources.iter().filter_map(state).collect() }
    }

    /// Looks at all of them; an error if one of them will not last.
    pub(super) fn look(&mut self, run: &mut Run<'_>) -> Result<(), Fault> {
        // A full pool stops the server's writes, so a copy that comes near that is given up.
        run.plan.brims.iter().try_for_each(|brim| brim.check(run.host.pool(&brim.pool)?))?;
        let mut fullest: Option<Filling> = None;
        for state in &mut self.stores {
            let filling = state.look(run)?;
            if fullest.as_ref().is_none_or(|known| known.percent < filling.percent) {
                fullest = Some(filling);
            }
        }
        if let Some(filling) = fullest {
            (run.tell)(Event::Filling(filling));
        }
        Ok(())
    }
}

impl State<'_> {
    fn look(&mut self, run: &mut Run<'_>) -> Result<Filling, Fault> {
        let mut fill = run.host.cow(&self.store.device)?;
        if fill.percent() >= self.store.percent_extend && !self.at_its_end {
            self.extend(run, fill)?;
            fill = run.host.cow(&self.store.device)?;
        }
        let percent = fill.percent();
        if percent >= self.store.percent_stop {
            let (name, size, limit) =
                (self.source.snapshot_name(), fill.size, self.store.percent_stop);
            return Err(Fault::refused(format!(
                "the COW store of '{name}' will not last: {percent} % of {size} are used, \
                 'cow_percent_stop' is {limit}"
            )));
        }
        let full_in = full_in(&mut self.looks, run.host.now()?, fill);
        Ok(Filling { percent, full_in })
    }

    /// Makes the store larger, as far as the limit and the group let it. What cannot be extended
    /// may still last.
    fn extend(&mut self, run: &mut Run<'_>, fill: CowFill) -> Result<(), Fault> {
        let name = self.source.snapshot_name();
        let size = match self.larger(run, fill) {
            Ok(size) => size,
            Err(why) => {
                self.at_its_end = true;
                (run.tell)(Event::NotExtended(format!("'{name}' is not extended: {why}")));
                return Ok(());
            }
        };
        // What is dirty would be written out while lvm has the origin frozen.
        run.host.act(&Act::SyncFs(self.source.mount.clone()))?;
        match run.host.act(&Act::Run(thick::to_size(&self.store.extend, size))) {
            Ok(_) => (run.tell)(Event::Extended(format!("'{name}' to {size}"))),
            Err(fault) if fault.is_overdue() => {
                run.held.expect_lvm(&fault);
                return Err(fault);
            }
            Err(fault) => {
                self.at_its_end = true;
                self.let_go_on(run, &fault)?;
                (run.tell)(Event::NotExtended(format!("'{name}' is not extended: {fault}")));
            }
        }
        Ok(())
    }

    /// An lvm that died over its extension may have left the origin suspended, and nobody else
    /// would let the server's writes go on: it is resumed, and the run is over.
    fn let_go_on(&self, run: &mut Run<'_>, died: &Fault) -> Result<(), Fault> {
        match extended::resume(run.host, &self.store.resume) {
            Ok(devices) if devices.is_empty() => Ok(()),
            Ok(devices) => {
                let told = format!("left suspended: '{}'", devices.join("', '"));
                Err(died.clone().during(&told))
            }
            Err(fault) => Err(died.clone().during(&fault.to_string())),
        }
    }

    /// The size that it is extended to, or why it is not.
    fn larger(&self, run: &Run<'_>, fill: CowFill) -> Result<Bytes, String> {
        let Store { step, size_max, group, .. } = self.store;
        if fill.size >= *size_max {
            return Err(format!("it has {}, 'cow_extend_max' is {size_max}", fill.size));
        }
        let free = self.free(run, group)?;
        if free.0 == 0 {
            return Err(format!("nothing is free in the volume group '{}'", self.source.vg));
        }
        let wanted = fill.size.0.saturating_add(step.0.min(free.0));
        Ok(Bytes(wanted.min(size_max.0)))
    }

    fn free(&self, run: &Run<'_>, group: &Cmd) -> Result<Bytes, String> {
        let report = run.host.output(group).map_err(|fault| fault.to_string())?;
        let groups = lvm::groups(&report)?;
        let ours = groups.iter().find(|group| group.name == self.source.vg);
        ours.map(|group| group.free).ok_or_else(|| "vgs does not tell what is free".to_owned())
    }
}

/// When a store will be full, from the oldest look that is remembered to this one.
fn full_in(looks: &mut VecDeque<(u64, Bytes)>, now: u64, fill: CowFill) -> Option<Millis> {
    looks.push_back((now, fill.used));
    while looks.front().is_some_and(|(at, _)| at.saturating_add(MEMORY_NS) < now) {
        looks.pop_front();
    }
    let (began, before) = *looks.front()?;
    let nanos = now.checked_sub(began).filter(|nanos| *nanos >= APART_NS_MIN)?;
    let written = fill.used.0.checked_sub(before.0).filter(|bytes| *bytes > 0)?;
    let left = fill.size.0.saturating_sub(fill.used.0);
    let ms = u128::from(left) * u128::from(nanos / 1_000_000) / u128::from(written);
    Some(Millis(u64::try_from(ms).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_store_is_full_when_it_goes_on_as_in_the_last_minute() {
        let mut looks = VecDeque::new();
        let mut told = |seconds: u64, mib: u64| {
            let fill = CowFill { used: Bytes(mib << 20), size: Bytes(100 << 20) };
            full_in(&mut looks, seconds * SECOND, fill).map(|ms| ms.0)
        };
        assert_eq!(told(100, 10), None, "one look tells no rate");
        assert_eq!(told(101, 30), None, "nor do two that are too near");
        assert_eq!(told(110, 40), Some(20_000), "30 MiB in 10 s, 60 MiB to go");
        assert_eq!(told(160, 40), Some(120_000), "30 MiB in 60 s");
        assert_eq!(told(172, 40), None, "nothing for more than a minute");
        assert_eq!(told(182, 95), Some(2_000), "55 MiB in 22 s, since the look at 160 s");
    }
}
