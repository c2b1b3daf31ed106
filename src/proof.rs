//! The proof that the server held still at every snapshot point: monotonic times, and the order
//! that they must have. It is data, kept in `backup.json`; a backup whose times do not prove it is
//! never published.
//!
//! What each time says: the snapshot could not begin before `let_go_ns`, when it was ordered or, if
//! lvm was held just before its suspend, let go. So nothing of the suspend, not even the freeze
//! with which it begins, was before that. A look begun at `seen_ns` found the origin live on its
//! old table, and one ended by `resumed_ns` found it live on its new one. Only a suspended device
//! changes its live table, so the suspend lies between the two, whether or not a look fell into
//! it. With the lock granted before `let_go_ns` and its session proven alive after
//! the second look, all of it lies inside the lock.

use schemars::JsonSchema;
use serde::Serialize;

use crate::database::dialect::LockKind;

/// The times of one window, in nanoseconds of the monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Proof {
    /// Just before the lock was asked for.
    pub asked_ns: Option<u64>,
    /// Just after it was granted.
    pub granted_ns: Option<u64>,
    /// The snapshot point of each volume.
    pub points: Vec<PointTimes>,
    /// Just after the lock session was seen to be the same one.
    pub proven_ns: Option<u64>,
    /// Just after the lock was released.
    pub unlocked_ns: Option<u64>,
    /// Where nothing is locked: whether the server's position was the same before and after.
    pub unmoved: Option<bool>,
}

/// The snapshot point of one volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PointTimes {
    /// The volume.
    pub volume: String,
    /// Just before the snapshot was ordered or, where lvm was held at it, let go.
    pub let_go_ns: u64,
    /// Just before the last look at the origin that was to find it on its old table, live.
    pub seen_ns: u64,
    /// When the origin was first seen suspended, if a look fell into that time.
    pub suspended_ns: Option<u64>,
    /// Just after a look that found it live on its new table, or after the end of the command.
    pub resumed_ns: u64,
    /// Of a thin volume: the pool's transaction id at `seen_ns` and at `resumed_ns`. The snapshot
    /// that was made between the two says so itself, see [`PointTimes::holds`].
    pub transactions: Option<[u64; 2]>,
}

impl Proof {
    /// Whether these times prove that `volumes` snapshot points lay inside a lock of this kind;
    /// if not, the first reason.
    pub fn check(&self, kind: LockKind, volumes: usize) -> Result<(), String> {
        if self.points.len() != volumes || volumes == 0 {
            return Err(format!("expected {volumes} snapshot point(s), saw {}", self.points.len()));
        }
        self.points.iter().try_for_each(PointTimes::check)?;
        if kind == LockKind::Nothing {
            return self.check_unmoved();
        }
        let asked = known("the lock was asked for", self.asked_ns)?;
        let granted = known("the lock was granted", self.granted_ns)?;
        let proven = known("the lock session was proven alive", self.proven_ns)?;
        let unlocked = known("the lock was released", self.unlocked_ns)?;
        in_order(asked, granted)?;
        for point in &self.points {
            in_order(granted, ("the origin was seen before its suspend", point.seen_ns))?;
            in_order(granted, ("the snapshot was let go", point.let_go_ns))?;
            in_order(("the origin was seen live again", point.resumed_ns), proven)?;
        }
        in_order(proven, unlocked)
    }

    fn check_unmoved(&self) -> Result<(), String> {
        match self.unmoved {
            Some(true) => Ok(()),
            _ => Err("the server's position moved, and nothing was locked".into()),
        }
    }

    /// From asking for the lock to having it.
    pub fn waited_ns(&self) -> Option<u64> {
        self.granted_ns?.checked_sub(self.asked_ns?)
    }

    /// From having the lock to having released it.
    pub fn locked_ns(&self) -> Option<u64> {
        self.unlocked_ns?.checked_sub(self.granted_ns?)
    }

    /// Of that: releasing it.
    pub fn released_ns(&self) -> Option<u64> {
        self.unlocked_ns?.checked_sub(self.proven_ns?)
    }

    /// How long an origin was seen suspended, the longest if there are several.
    pub fn suspended_ns(&self) -> Option<u64> {
        let of = |point: &PointTimes| point.resumed_ns.checked_sub(point.suspended_ns?);
        self.points.iter().filter_map(of).max()
    }
}

impl PointTimes {
    /// Whether a snapshot was made between the two looks, by its own word: the transaction id that
    /// its pool had until then.
    pub fn holds(&self, transaction: Option<u64>) -> Result<(), String> {
        let Some([before, after]) = self.transactions else { return Ok(()) };
        if transaction.is_some_and(|made| before <= made && made < after) {
            return Ok(());
        }
        let found = transaction.map_or_else(|| "none".to_owned(), |made| made.to_string());
        Err(format!(
            "the snapshot that was seen is not ours: expected a transaction id from {before} to \
             below {after}, found {found}"
        ))
    }

    fn check(&self) -> Result<(), String> {
        let seen = ("the origin was seen before its suspend", self.seen_ns);
        let resumed = ("the origin was seen live again", self.resumed_ns);
        in_order(("the snapshot was let go", self.let_go_ns), resumed)?;
        if let Some(suspended) = self.suspended_ns {
            let suspended = ("the origin was seen suspended", suspended);
            in_order(seen, suspended)?;
            in_order(suspended, resumed)?;
        }
        in_order(seen, resumed)
    }
}

type Moment = (&'static str, u64);

fn known(what: &'static str, time: Option<u64>) -> Result<Moment, String> {
    time.map(|time| (what, time)).ok_or_else(|| format!("it is not known when {what}"))
}

fn in_order(first: Moment, second: Moment) -> Result<(), String> {
    if first.1 <= second.1 {
        return Ok(());
    }
    Err(format!("{} ({} ns) after {} ({} ns)", first.0, first.1, second.0, second.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FTWRL: LockKind = LockKind::FlushTables;

    fn good() -> Proof {
        let point = PointTimes {
            volume: "lab/data".into(),
            let_go_ns: 35,
            seen_ns: 30,
            suspended_ns: Some(40),
            resumed_ns: 50,
            transactions: None,
        };
        Proof {
            asked_ns: Some(10),
            granted_ns: Some(20),
            points: vec![point],
            proven_ns: Some(60),
            unlocked_ns: Some(70),
            unmoved: None,
        }
    }

    #[test]
    fn times_in_order_are_a_proof_whether_or_not_the_suspend_was_seen() {
        assert_eq!(good().check(FTWRL, 1), Ok(()));
        let mut first = good();
        first.points[0].suspended_ns = None;
        assert_eq!(first.check(FTWRL, 1), Ok(()));
        assert_eq!((first.waited_ns(), first.locked_ns()), (Some(10), Some(50)));
        assert_eq!((first.suspended_ns(), good().suspended_ns()), (None, Some(10)));
    }

    /// One way to spoil a proof.
    type Spoil = fn(&mut Proof);

    #[test]
    fn every_broken_order_is_no_proof() {
        let spoils: [(&str, Spoil); 13] = [
            ("asked for", |proof| proof.asked_ns = None),
            ("granted", |proof| proof.granted_ns = None),
            ("proven alive", |proof| proof.proven_ns = None),
            ("released", |proof| proof.unlocked_ns = None),
            ("asked for (21 ns) after", |proof| proof.asked_ns = Some(21)),
            ("granted (31 ns) after", |proof| proof.granted_ns = Some(31)),
            ("suspend (41 ns) after", |proof| proof.points[0].seen_ns = 41),
            ("suspended (51 ns) after", |proof| proof.points[0].suspended_ns = Some(51)),
            ("again (61 ns) after", |proof| proof.points[0].resumed_ns = 61),
            ("let go (19 ns)", |proof| proof.points[0].let_go_ns = 19),
            ("let go (51 ns) after", |proof| proof.points[0].let_go_ns = 51),
            ("alive (71 ns) after", |proof| proof.proven_ns = Some(71)),
            ("expected 1 snapshot point(s)", |proof| proof.points.clear()),
        ];
        for (words, spoil) in spoils {
            let mut proof = good();
            spoil(&mut proof);
            let told = proof.check(FTWRL, 1).expect_err(words);
            assert!(told.contains(words), "expected '{words}', found '{told}'");
        }
        assert!(good().check(FTWRL, 2).is_err(), "every volume has its own point");
    }

    #[test]
    fn a_thin_snapshot_says_itself_when_it_was_made() {
        let thin = |ids| PointTimes { transactions: Some(ids), ..good().points[0].clone() };
        assert_eq!(thin([7, 8]).holds(Some(7)), Ok(()));
        assert_eq!(thin([7, 9]).holds(Some(8)), Ok(()), "somebody else's came before it");
        for made in [Some(6), Some(8), None] {
            let told = thin([7, 8]).holds(made).expect_err("it was not made there");
            assert!(told.contains("from 7 to below 8"), "{told}");
        }
        assert_eq!(good().points[0].holds(None), Ok(()));
    }

    #[test]
    fn without_a_lock_the_position_is_the_proof() {
        let points = good().points;
        let of = |unmoved| Proof { points: points.clone(), unmoved, ..Proof::default() };
        assert_eq!(of(Some(true)).check(LockKind::Nothing, 1), Ok(()));
        assert!(of(Some(false)).check(LockKind::Nothing, 1).is_err());
        assert!(of(None).check(LockKind::Nothing, 1).is_err());
        assert!(of(Some(true)).check(FTWRL, 1).is_err());
    }
}
