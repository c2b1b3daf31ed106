//! The restore itself: directories and markers, the copy, the reading back, the handing over. The
//! markers go last, so that a directory without one is whole.
//!
//! Nothing is undone: what was copied is what the same command goes on with. Deliberately absent:
//! the verdict on a known damage, which the plan has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::compare::{Compared, Problem, Whose, compare, content, shown};
use super::copying::{attributes, commands};
use super::prepare::strangers;
use super::{Damage, Owner, Place, Plan, Stands, Us, marker, target};
use crate::copy::rsync::{Stats, Tail};
use crate::drill::{self, Prepared, Step};
use crate::host::{Act, Ask, Cmd, Exit, Fault, Host, Priority, Reading, ToRead};
use crate::manifest::{Entry, Type};
use crate::sums::{self, Progress};
use crate::units::{Bytes, Millis};

/// How long one look at a copy or a reading lasts.
const LISTEN: Millis = Millis(500);

/// rsync's status where some files could not be copied and all others were (rsync(1)).
const PARTIAL: i32 = 23;

/// How many problems make up the reason of a failure.
const TOLD_MAX: usize = 3;

/// The phase from whose beginning on nothing is gone on with.
pub const PREPARE: &str = "prepare";

/// The phase in which everything is ready, and given to its owner.
pub const HAND_OVER: &str = "hand over";

/// Root alone, while a directory is not whole.
const OURS: (Owner, u32) = (Owner { uid: 0, gid: 0 }, 0o700);

/// Files, by their place's number and their path in it.
type Chosen = BTreeSet<(usize, PathBuf)>;

/// What a restore tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A phase begins.
    Phase(&'static str),
    /// So much of all is copied.
    Copied(Progress),
    /// So much of what is read at a time, which is one directory of the backup.
    Read(PathBuf, Progress),
    /// Files that were copied wrong are copied once more.
    Again(usize),
    /// A private server goes on with its recovery.
    Step(Step),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What rsync copied; what was there already does not count.
    pub copied: Stats,
    /// How many bytes were read back.
    pub read: Bytes,
    /// How long it all took.
    pub took: Millis,
}

/// How a restore ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was done until then.
    pub figures: Figures,
    /// What is not as the manifest says.
    pub problems: Vec<Problem>,
    /// How it was prepared, if it was.
    pub prepared: Option<Prepared>,
    /// Why it is not whole; nothing if it is.
    pub unfinished: Option<Unfinished>,
}

/// Why a restore is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// In which phase it ended.
    pub phase: &'static str,
    /// Why.
    pub fault: Fault,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// The directories that something may be in.
    pub left: Vec<PathBuf>,
}

/// A restore that goes on.
struct Story<'a> {
    host: &'a mut dyn Host,
    plan: &'a Plan,
    tell: &'a mut dyn FnMut(&Event),
    phase: &'static str,
    figures: Figures,
    touched: bool,
    prepared: Option<Prepared>,
    /// What rsync could not do, though it went on.
    complaint: Option<Fault>,
}

/// Restores. Whatever happens, what is there is not whole unless there is no marker in it; the same
/// plan made anew goes on.
pub fn restore(host: &mut dyn Host, plan: &Plan, tell: &mut dyn FnMut(&Event)) -> Outcome {
    let began = host.now().unwrap_or_default();
    let figures = Figures::default();
    let (phase, touched, prepared, complaint) = ("begin", false, None, None);
    let mut story = Story { host, plan, tell, phase, figures, touched, prepared, complaint };
    let mut problems = Vec::new();
    let ended = story.whole(&mut problems);
    let unfinished = ended.err().map(|fault| story.unfinished(fault));
    let now = story.host.now().unwrap_or(began);
    let took = Millis(now.saturating_sub(began) / 1_000_000);
    let (figures, prepared) = (Figures { took, ..story.figures }, story.prepared);
    Outcome { figures, problems, prepared, unfinished }
}

impl Story<'_> {
    fn whole(&mut self, problems: &mut Vec<Problem>) -> Result<(), Fault> {
        self.enter("begin")?;
        self.begin()?;
        self.copy()?;
        *problems = self.check(None)?;
        if !problems.is_empty() {
            *problems = self.again(std::mem::take(problems))?;
        }
        self.judge(problems)?;
        self.prepare()?;
        self.hand_over()
    }

    fn enter(&mut self, phase: &'static str) -> Result<(), Fault> {
        self.phase = phase;
        (self.tell)(&Event::Phase(phase));
        self.host.heed_signal()
    }

    /// The directories are there, ours alone, and marked.
    fn begin(&mut self) -> Result<(), Fault> {
        for place in &self.plan.places {
            self.touched = true;
            match place.stands {
                Stands::Absent => drop(self.host.act(&Act::NewDir(place.to.clone()))?),
                Stands::Empty | Stands::Begun => self.take(place)?,
                Stands::Spoiled => self.clear(place)?,
            }
            let path = place.to.join(marker::NAME);
            self.host.act(&Act::WriteFile { path, text: self.plan.marker.clone() })?;
        }
        Ok(())
    }

    /// Nobody else can put anything into a directory that is ours; so what it was planned with is
    /// looked at once more.
    fn take(&mut self, place: &Place) -> Result<(), Fault> {
        let (owner, mode) = OURS;
        self.own(&place.to, owner, mode)?;
        let is_empty = |name: &String| marker::is_name(name) || name == target::LOST_AND_FOUND;
        let names = self.host.list(&place.to)?;
        if place.stands == Stands::Empty && !names.iter().all(is_empty) {
            let path = place.to.display();
            return Err(Fault::refused(format!("'{path}' is not empty any more")));
        }
        Ok(())
    }

    /// What a server has changed is no copy any more. Our marker stays, and says so until the end.
    fn clear(&mut self, place: &Place) -> Result<(), Fault> {
        self.take(place)?;
        let (directory, but) = (place.to.clone(), marker::NAME.into());
        self.host.act(&Act::Empty { directory, but }).map(drop)
    }

    fn own(&mut self, path: &Path, owner: Owner, mode: u32) -> Result<(), Fault> {
        let owner = (self.plan.us == Us::Root).then_some((owner.uid, owner.gid));
        self.host.act(&Act::Own { path: path.into(), owner, mode }).map(drop)
    }

    /// Everything is copied and on stable storage. What is there already and has size and time of
    /// the original is not copied again.
    fn copy(&mut self) -> Result<(), Fault> {
        self.enter("copy")?;
        let (_, of) = self.plan.totals();
        let mut before = Bytes(0);
        self.complaint = None;
        for place in &self.plan.places {
            // What is missing is told by its name when everything is compared.
            let there = self.host.list(&self.plan.backup.join(&place.from))?;
            for cmd in commands(self.plan, place, &there)? {
                let stats = self.copy_one(cmd, before, of)?;
                self.figures.copied.add(stats);
                before = Bytes(before.0 + stats.bytes.0);
            }
            self.host.act(&Act::SyncFs(place.to.clone()))?;
        }
        Ok(())
    }

    fn copy_one(&mut self, cmd: Cmd, before: Bytes, of: Bytes) -> Result<Stats, Fault> {
        let mut tail = Tail::default();
        self.host.act(&Act::Start { cmd, priority: Priority::default() })?;
        loop {
            let said = self.host.hear(LISTEN)?;
            if let Some(progress) = said.lines.iter().filter_map(|line| tail.read(line)).last() {
                let bytes = progress.after(before).bytes;
                (self.tell)(&Event::Copied(Progress { bytes, total: of }));
            }
            if let Some(exit) = said.exit {
                return self.ended(&exit).map(|()| tail.stats());
            }
            self.host.heed_signal()?;
        }
    }

    /// Where something could not be copied, the rest was: what is compared later says which.
    fn ended(&mut self, exit: &Exit) -> Result<(), Fault> {
        let fault = match exit.code {
            Some(0) => return Ok(()),
            Some(code) => Fault::unsure(format!("rsync ended with status {code}: {}", exit.stderr)),
            None => return Err(Fault::unsure("rsync was ended by a signal")),
        };
        if exit.code != Some(PARTIAL) {
            return Err(fault);
        }
        self.complaint.get_or_insert(fault);
        Ok(())
    }

    /// What is not as it should be; of the files' contents only those that are asked for.
    fn check(&mut self, only: Option<&Chosen>) -> Result<Vec<Problem>, Fault> {
        self.enter("read back")?;
        let plan = self.plan;
        let mut problems = Vec::new();
        for (at, place) in plan.places.iter().enumerate() {
            let Compared { problems: found, readable } =
                compare(place, self.host.tree(&place.to)?, plan.owner);
            problems.extend(found);
            let wanted = |entry: &&Entry| {
                readable.contains(&entry.path)
                    && only.is_none_or(|only| only.contains(&(at, entry.path.clone())))
            };
            let files: Vec<&Entry> = place.entries.iter().filter(wanted).collect();
            problems.extend(self.contents(place, &place.to, &files, Whose::Copy)?);
        }
        Ok(problems)
    }

    /// Reads files; what is not as the manifest says.
    fn contents(
        &mut self,
        place: &Place,
        directory: &Path,
        files: &[&Entry],
        whose: Whose,
    ) -> Result<Vec<Problem>, Fault> {
        let files: Vec<&&Entry> =
            files.iter().filter(|one| one.is == Type::File && one.blake3.is_some()).collect();
        let to_read = files.iter().map(|one| ToRead { path: one.path.clone(), size: one.size });
        let (directory, priority) = (directory.to_owned(), Priority::default());
        let reading = Reading { directory, files: to_read.collect(), priority };
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let (host, tell) = (&*self.host, &mut *self.tell);
        let sums = sums::read(host, reading, &mut |progress| {
            tell(&Event::Read(place.from.clone(), progress));
            host.heed_signal()
        })?;
        self.figures.read.0 += files.iter().map(|one| one.size.0).sum::<u64>();
        let judged = files.iter().zip(&sums);
        Ok(judged.filter_map(|(entry, sum)| content(place, entry, sum, whose)).collect())
    }

    /// Finds out whether the backup is damaged or the copy went wrong. What is right in the backup
    /// is copied once more; what is not stays a problem.
    fn again(&mut self, problems: Vec<Problem>) -> Result<Vec<Problem>, Fault> {
        let suspects: BTreeSet<String> = problems
            .iter()
            .filter(|one| one.is_of_content())
            .map(|one| one.of.path.clone())
            .collect();
        if suspects.is_empty() {
            return Ok(problems);
        }
        self.enter("look at the backup")?;
        let plan = self.plan;
        let (mut damaged, mut wrong) = (Vec::new(), Chosen::new());
        for (at, place) in plan.places.iter().enumerate() {
            let is_suspect = |entry: &&Entry| {
                entry.is == Type::File && suspects.contains(&shown(place, &entry.path))
            };
            let files: Vec<&Entry> = place.entries.iter().filter(is_suspect).collect();
            let directory = plan.backup.join(&place.from);
            let found = self.contents(place, &directory, &files, Whose::Backup)?;
            let bad: BTreeSet<&str> = found.iter().map(|one| one.of.path.as_str()).collect();
            for entry in files.into_iter().filter(|one| one.blake3.is_some()) {
                if !bad.contains(shown(place, &entry.path).as_str()) {
                    self.host.act(&Act::RemoveFile(place.to.join(&entry.path)))?;
                    wrong.insert((at, entry.path.clone()));
                }
            }
            damaged.extend(found);
        }
        let mut rest = problems;
        if !wrong.is_empty() {
            (self.tell)(&Event::Again(wrong.len()));
            self.copy()?;
            rest = self.check(Some(&wrong))?;
        }
        // Whatever is of the backup was told as such.
        let told: BTreeSet<&str> = damaged.iter().map(|one| one.of.path.as_str()).collect();
        rest.retain(|one| !told.contains(one.of.path.as_str()));
        damaged.extend(rest);
        Ok(damaged)
    }

    /// A problem is a failure, unless the operator takes what there is; so is what rsync complained
    /// of where no problem explains it.
    fn judge(&self, problems: &[Problem]) -> Result<(), Fault> {
        match (&self.complaint, problems.is_empty(), self.plan.damage) {
            (Some(fault), true, _) => return Err(fault.clone()),
            (None, true, _) | (_, _, Damage::Taken) => return Ok(()),
            (_, false, Damage::Refused) => {}
        }
        let told: Vec<String> = problems.iter().take(TOLD_MAX).map(Problem::to_string).collect();
        let more = problems.len().saturating_sub(TOLD_MAX);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(Fault::refused(format!("{}{more}", told.join("; "))))
    }

    /// A private server recovers what was restored. From here on it is no copy any more: the
    /// markers say so before it starts, and before anybody else can open it.
    fn prepare(&mut self) -> Result<(), Fault> {
        let plan = self.plan;
        let Some(preparation) = &plan.preparation else { return Ok(()) };
        self.enter(PREPARE)?;
        let text = marker::preparing(&plan.marker).map_err(Fault::refused)?;
        for place in &plan.places {
            let path = place.to.join(marker::NAME);
            self.host.act(&Act::WriteFile { path, text: text.clone() })?;
        }
        for place in &plan.places {
            self.own(&place.to, self.owner_of(place), OURS.1)?;
        }
        let tell = &mut *self.tell;
        let prepared =
            drill::prepare(self.host, preparation, &mut |step| tell(&Event::Step(step)))?;
        for place in &plan.places {
            self.host.act(&Act::SyncFs(place.to.clone()))?;
            let tree = self.host.tree(&place.to)?;
            strangers(place, &tree, plan.owner, self.owner_of(place))?;
        }
        self.prepared = Some(prepared);
        Ok(())
    }

    /// Whose a directory will be.
    fn owner_of(&self, place: &Place) -> Owner {
        let Entry { uid, gid, .. } = place.root;
        self.plan.owner.unwrap_or(Owner { uid, gid })
    }

    /// The directories are given to whom they belong; then they are whole.
    fn hand_over(&mut self) -> Result<(), Fault> {
        self.enter(HAND_OVER)?;
        for place in &self.plan.places {
            self.complaint = None;
            self.copy_one(attributes(self.plan, place), Bytes::default(), Bytes::default())?;
            if let Some(fault) = self.complaint.take() {
                return Err(fault.during("cannot give the directory its ACL and attributes"));
            }
            self.own(&place.to, self.owner_of(place), place.root.mode)?;
        }
        self.declare_ready()?;
        // The data directory's goes last: what else the server needs is whole by then.
        self.plan.places.iter().rev().try_for_each(|place| self.unmark(place))
    }

    /// What a server has changed cannot be gone on with, nor emptied where no marker is left: so an
    /// interruption among the last acts must be known as one.
    fn declare_ready(&mut self) -> Result<(), Fault> {
        let [data, _, ..] = self.plan.places.as_slice() else { return Ok(()) };
        if self.plan.preparation.is_none() {
            return Ok(());
        }
        let text = marker::ready(&self.plan.marker).map_err(Fault::refused)?;
        self.host.act(&Act::WriteFile { path: data.to.join(marker::NAME), text }).map(drop)
    }

    /// The commit point of a directory. An error there is ambiguous: look, do not assume.
    fn unmark(&mut self, place: &Place) -> Result<(), Fault> {
        let path = place.to.join(marker::NAME);
        let Err(fault) = self.host.act(&Act::RemoveFile(path.clone())) else { return Ok(()) };
        match self.host.entry(&path) {
            Ok(None) => self.host.act(&Act::SyncFs(place.to.clone())).map(drop),
            _ => Err(fault),
        }
    }

    /// What is under way ends; what is there stays.
    fn unfinished(&mut self, fault: Fault) -> Unfinished {
        let ended = self.host.act(&Act::End);
        let fault = match ended {
            Err(still) => fault.during(&format!("the copy does not end ({still})")),
            Ok(_) => fault,
        };
        if self.phase == PREPARE {
            // No server of the operator's starts on it. The marker says the same if this fails.
            for place in &self.plan.places {
                let _marked_in_any_case = self.own(&place.to, OURS.0, OURS.1);
            }
        }
        let stands = |place: &&Place| {
            self.touched && self.host.entry(&place.to).is_ok_and(|entry| entry.is_some())
        };
        let left = self.plan.places.iter().filter(stands).map(|place| place.to.clone()).collect();
        let signal = self.host.signal().unwrap_or_default();
        Unfinished { phase: self.phase, fault, signal, left }
    }
}
