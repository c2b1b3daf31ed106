//! The locks in the state directory: the run lock, and one for each who reads backups, which
//! stands in nobody's way but that of a removal. A backup is made beside any number of readers,
//! and readers beside each other.
//!
//! Deliberately absent: which backup each of them reads. A removal waits for all, since what is
//! known of them is their own words alone.

use std::path::Path;

use crate::host::{Act, Ask, Fault, Host};

/// The lock of drills, and of tables that are taken out. There is one at a time: whoever has it
/// removes what a dead one left.
pub const DRILL: &str = "drill.lock";
/// The lock of restores.
pub const RESTORE: &str = "restore.lock";
/// The lock of verifications.
pub const VERIFY: &str = "verify.lock";
/// The lock of what goes to or comes from other places. There is one at a time.
pub const PUSH: &str = "push.lock";

/// Every lock of readers; a removal asks for each.
pub const LOCKS: [&str; 4] = [DRILL, RESTORE, VERIFY, PUSH];

/// How many readers of one kind are protected at once: the second one has a file of its own.
const SEATS_MAX: usize = 8;

/// What those who remove backups say of themselves in the run lock.
pub const REMOVES: &str = "which removes old backups";

/// The run lock's file.
pub const RUN_LOCK: &str = "lock";

/// What became of taking a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is ours, as long as the process lives.
    Ours,
    /// It is another process's, as that says of itself.
    Others(String),
}

/// Takes the lock of this file for the life of the process; taken again by the same process it only
/// says more. `who` are we, in words, for those who come too late.
pub fn take(host: &mut dyn Host, state_dir: &Path, file: &str, who: &str) -> Result<Held, Fault> {
    host.act(&Act::MakeDir(state_dir.into()))?;
    let machine = host.machine()?;
    let text = format!("{who}, process {}, since {}", machine.pid, machine.began());
    match host.act(&Act::TakeRunLock { path: state_dir.join(file), text }) {
        Ok(_) => Ok(Held::Ours),
        Err(Fault::Refused(holder)) => Ok(Held::Others(holder.why)),
        Err(other) => Err(other),
    }
}

/// Takes a lock of this kind for the life of the process: from now on nothing is removed that is
/// not being removed already. What an operator should know, if there is anything.
///
/// First taken, then looked: whoever removes looks for readers with the run lock in hand, so one of
/// the two sees the other.
pub fn begin(
    host: &mut dyn Host,
    state_dir: &Path,
    kind: &str,
    who: &str,
) -> Result<Option<String>, Fault> {
    if !seated(host, state_dir, kind, who)? {
        return Ok(Some(format!(
            "{SEATS_MAX} others of its kind are alive: should a pruning remove this backup, it fails"
        )));
    }
    removing(host, state_dir)
}

/// What a reader should know of a removal that is alive: it may have looked for readers before.
pub fn removing(host: &dyn Host, state_dir: &Path) -> Result<Option<String>, Fault> {
    let run = host.run_lock(&state_dir.join(RUN_LOCK))?;
    let removing = run.filter(|holder| holder.contains(REMOVES));
    Ok(removing.map(|holder| format!("{holder}, is alive: should it remove this backup, it fails")))
}

/// Whether there was a free file.
fn seated(host: &mut dyn Host, state_dir: &Path, kind: &str, who: &str) -> Result<bool, Fault> {
    for seat in 1..=SEATS_MAX {
        if take(host, state_dir, &file(kind, seat), who)? == Held::Ours {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether another process reads backups, as the first one that is found says of itself: what it
/// reads must stay.
pub fn alive(host: &dyn Host, state_dir: &Path) -> Result<Option<String>, Fault> {
    let us = format!("process {},", host.machine()?.pid);
    let seats = LOCKS.iter().flat_map(|kind| (1..=SEATS_MAX).map(|seat| file(kind, seat)));
    let names = host.list(state_dir)?;
    for file in seats.filter(|file| names.contains(file)) {
        match host.run_lock(&state_dir.join(file))? {
            Some(holder) if !holder.contains(&us) => return Ok(Some(holder)),
            _ => {}
        }
    }
    Ok(None)
}

/// The file of a seat; the first one has the plain name.
fn file(kind: &str, seat: usize) -> String {
    if seat == 1 { kind.into() } else { format!("{kind}.{seat}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::host::{Answer, Look, Machine};

    const STATE: &str = "/var/lib/holdstill";

    /// A machine that has nothing but locks: who holds which.
    #[derive(Default)]
    struct Locks(BTreeMap<PathBuf, String>);

    impl Locks {
        fn of(held: &[(&str, &str)]) -> Self {
            let held = held.iter().map(|(name, who)| (Path::new(STATE).join(name), (*who).into()));
            Self(held.collect())
        }

        fn begin(&mut self, kind: &str) -> Option<String> {
            begin(self, Path::new(STATE), kind, "a restore of 'x'").expect("it can be taken")
        }
    }

    impl Host for Locks {
        fn look(&self, what: &Look) -> Result<Answer, Fault> {
            Ok(match what {
                Look::Machine => Answer::Machine(Machine::example()),
                Look::RunLock(path) => Answer::Text(self.0.get(path).cloned()),
                Look::List(_) => {
                    let names = self.0.keys().filter_map(|path| path.file_name()?.to_str());
                    Answer::Names(names.map(String::from).collect())
                }
                other => panic!("nobody expects to {other}"),
            })
        }

        fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
            if let Act::TakeRunLock { path, text } = what {
                if let Some(holder) = self.0.get(path) {
                    return Err(Fault::refused(holder));
                }
                self.0.insert(path.clone(), text.clone());
            }
            Ok(Answer::Done)
        }
    }

    #[test]
    fn the_second_reader_has_a_seat_of_its_own_and_the_ninth_is_told() {
        let mut locks = Locks::default();
        for seat in 1..=SEATS_MAX {
            assert_eq!(locks.begin(RESTORE), None, "{seat}");
            assert_eq!(locks.0.len(), seat);
        }
        let told = locks.begin(RESTORE).expect("there is no seat");
        assert!(told.starts_with("8 others"), "{told}");
        assert_eq!(locks.begin(VERIFY), None, "another kind has seats of its own");
    }

    #[test]
    fn whoever_removes_sees_readers_of_every_kind_in_every_seat_but_itself() {
        for kind in LOCKS {
            for name in [kind.to_owned(), format!("{kind}.2"), format!("{kind}.8")] {
                let locks = Locks::of(&[(&name, "somebody, process 7, since then")]);
                let found = alive(&locks, Path::new(STATE)).expect("it can be looked at");
                assert_eq!(found.as_deref(), Some("somebody, process 7, since then"), "{name}");
                let ours = Locks::of(&[(&name, "ours, process 42, since then")]);
                assert_eq!(alive(&ours, Path::new(STATE)), Ok(None), "{name}");
            }
        }
        let run = Locks::of(&[("lock", "run X, process 7, since then")]);
        assert_eq!(alive(&run, Path::new(STATE)), Ok(None), "a backup reads none");
    }

    #[test]
    fn a_removal_that_goes_on_is_told_and_a_backup_is_not() {
        let removing = format!("a pruning, {REMOVES}, process 7, since then");
        let told = Locks::of(&[("lock", &removing)]).begin(RESTORE).expect("it is told");
        assert!(told.starts_with("a pruning, which removes"), "{told}");
        assert_eq!(Locks::of(&[("lock", "run X, process 7, since then")]).begin(RESTORE), None);
    }
}
