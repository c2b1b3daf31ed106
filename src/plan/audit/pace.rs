//! How fast the volumes are written to, and whether their snapshots will last as long as the copy.
//!
//! A snapshot keeps the old content of each block that is written, once, however often it is: less
//! than what is written where blocks are written again, more where its blocks are larger than what
//! is written (those of a thin pool may be many times a page). So it is an estimate, told as one.

use super::super::make::Found;
use super::super::source::OnVolume;
use super::super::space::Room;
use super::super::{Aspect, Note};
use super::unseen;
use crate::config::Config;
use crate::host::{Ask, Fault, Host};
use crate::snapshot::lvm::Volume;
use crate::units::{Bytes, Millis};

/// The unit of the sectors in a device's statistics, and the place of those that were written among
/// its words, from 0 (Documentation/block/stat.rst).
const SECTOR: u64 = 512;
const WRITTEN_SECTORS: usize = 6;

/// How long writing is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Between two samples.
    pub each: Millis,
    /// How many.
    pub samples: u32,
}

/// What was written to a volume so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The volume.
    pub volume: String,
    /// How long it was looked at.
    pub sampled: Millis,
    /// What was written meanwhile.
    pub written: Bytes,
    /// How long the copy is expected to take, if that is known.
    pub copy: Option<Millis>,
}

impl Pace {
    /// What is written in a second.
    pub fn per_second(&self) -> Bytes {
        Bytes(scaled(self.written.0, 1_000, self.sampled.0))
    }

    /// About what a snapshot needs while the copy goes on.
    pub fn need(&self) -> Option<Bytes> {
        self.copy.map(|copy| Bytes(scaled(self.written.0, copy.0, self.sampled.0)))
    }

    /// About how long so much room lasts; for ever if nothing is written.
    pub fn lasts(&self, room: Bytes) -> Option<Millis> {
        (self.written.0 > 0).then(|| Millis(scaled(room.0, self.sampled.0, self.written.0)))
    }
}

/// `a * b / c`, as far as it can be told.
fn scaled(a: u64, b: u64, c: u64) -> u64 {
    let all = (u128::from(a) * u128::from(b)).checked_div(u128::from(c)).unwrap_or(0);
    u64::try_from(all).unwrap_or(u64::MAX)
}

/// Samples every volume, and judges the room of its snapshot.
pub(super) fn look(
    host: &dyn Host,
    config: &Config,
    found: &Found,
    copy: Option<Millis>,
    sampling: &Sampling,
    tell: &mut dyn FnMut(&Pace),
    notes: &mut Vec<Note>,
) {
    let (Some(source), Some(rooms)) = (&found.source, &found.rooms) else { return };
    let paces = match sample(host, &source.volumes, copy, sampling, tell) {
        Ok(paces) => paces,
        Err(fault) => return unseen(notes, Aspect::WriteRate, &fault),
    };
    for ((pace, one), room) in paces.iter().zip(&source.volumes).zip(rooms) {
        let room = measure(config, room, &one.volume, &source.report);
        notes.push(judge(pace, &one.volume, &room));
    }
}

/// Looks at the counters of every volume, time and again; what was written from the first to the
/// last.
fn sample(
    host: &dyn Host,
    volumes: &[OnVolume],
    copy: Option<Millis>,
    sampling: &Sampling,
    tell: &mut dyn FnMut(&Pace),
) -> Result<Vec<Pace>, Fault> {
    let counted = || volumes.iter().map(|one| written(host, one)).collect::<Result<Vec<_>, _>>();
    let (began, before) = (host.now()?, counted()?);
    let mut paces = Vec::new();
    for _ in 0..sampling.samples {
        host.pause(sampling.each)?;
        if host.signal()?.is_some() {
            return Err(Fault::refused("interrupted"));
        }
        let sampled = Millis(host.now()?.saturating_sub(began) / 1_000_000);
        let pace = |((one, before), after): ((&OnVolume, &u64), u64)| Pace {
            volume: one.volume.name.to_string(),
            sampled,
            written: Bytes(after.saturating_sub(*before)),
            copy,
        };
        paces = volumes.iter().zip(&before).zip(counted()?).map(pace).collect();
        paces.iter().for_each(&mut *tell);
    }
    Ok(paces)
}

/// What was written to a volume since it was made active, in bytes.
fn written(host: &dyn Host, one: &OnVolume) -> Result<u64, Fault> {
    let path = format!("/sys/dev/block/{}/stat", one.volume.device);
    let text = host.file(path.as_ref())?.unwrap_or_default();
    let sectors = text.split_ascii_whitespace().nth(WRITTEN_SECTORS);
    let sectors: Option<u64> = sectors.and_then(|word| word.parse().ok());
    let wrong = || Fault::refused(format!("expected the counters of a device in '{path}'"));
    sectors.map(|sectors| sectors.saturating_mul(SECTOR)).ok_or_else(wrong)
}

/// The room that a snapshot has, in words and in bytes: at first, and at most.
struct Measure {
    told: String,
    first: Bytes,
    most: Bytes,
    more: String,
}

fn measure(config: &Config, room: &Room, volume: &Volume, report: &[Volume]) -> Measure {
    match room {
        Room::Store { size, size_max, reach } => Measure {
            told: format!("a COW store of {size}"),
            first: part(*size, config.snapshot.cow_percent_stop),
            most: part((*size_max).min(*reach), config.snapshot.cow_percent_stop),
            more: "Raise 'size' or 'cow_extend_max' under [snapshot], or let it run when less is \
                   written."
                .into(),
        },
        Room::Pool(name) => {
            let pool = report.iter().find(|lv| lv.is(name));
            let used = pool.and_then(|pool| pool.pool_percent).map_or(100.0, |(data, _)| data);
            let size = pool.map_or(Bytes(0), |pool| pool.size);
            let left = (f64::from(config.snapshot.pool_percent_stop) - used).max(0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
            let hundredths = (left * 100.0) as u64;
            let free = Bytes(scaled(size.0, hundredths, 10_000));
            Measure {
                told: format!("{free} of the thin pool '{name}'"),
                first: free,
                most: free,
                more: format!(
                    "Run 'lvextend --size +SIZE {name}', or let it run when less is written to '{}'.",
                    volume.name
                ),
            }
        }
    }
}

/// So many percent of a room: past that the copy is given up.
fn part(room: Bytes, percent: u32) -> Bytes {
    Bytes(scaled(room.0, percent.into(), 100))
}

fn judge(pace: &Pace, volume: &Volume, room: &Measure) -> Note {
    let seconds = pace.sampled.lasting();
    let Measure { told, first, most, more } = room;
    let rate = format!("'{}': {}/s in {seconds}", pace.volume, pace.per_second());
    let Some(lasts) = pace.lasts(*most) else {
        return Note::pass(Aspect::WriteRate, format!("'{}': nothing in {seconds}", pace.volume));
    };
    let Some(need) = pace.need().map(|need| need.min(volume.size)) else {
        let room = if most > first { format!("{told}, extended to {most},") } else { told.clone() };
        let found = format!("{rate}; {room} lasts about {}", lasts.lasting());
        return Note::pass(Aspect::WriteRate, found);
    };
    let found = format!("{rate}: about {need} while it is copied, of {told}");
    if need <= *first {
        return Note::pass(Aspect::WriteRate, found);
    }
    if need <= *most {
        return Note::pass(Aspect::WriteRate, format!("{found}, which is extended"));
    }
    let found = format!("{found}, at most {most}: it may be given up after {}", lasts.lasting());
    Note::warning(Aspect::WriteRate, found).with_hint(more)
}
