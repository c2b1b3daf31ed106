//! The proof is data: a run whose times do not show that every snapshot point lay inside the lock
//! publishes nothing. Here the clock lies, once, at every place in turn.

use std::cell::Cell;

use holdstill::host::sim::Sim;
use holdstill::host::{Act, Answer, Fault, Host, Look, Sight};
use holdstill::run::{self, Outcome};

use crate::common::{Scenario, scenario};

/// What the clock says instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// The beginning of all time.
    Past,
    /// A time when all is over.
    Future,
}

/// A simulated machine on which one reading of the clock is a lie; a watch reads it twice.
struct Liar {
    sim: Sim,
    at: usize,
    lie: Lie,
    readings: Cell<usize>,
}

impl Liar {
    fn read(&self, truth: u64) -> u64 {
        let reading = self.readings.get();
        self.readings.set(reading + 1);
        match self.lie {
            _ if reading != self.at => truth,
            Lie::Past => 0,
            Lie::Future => truth + 3_600_000_000_000,
        }
    }
}

impl Host for Liar {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        Ok(match self.sim.look(what)? {
            Answer::Nanos(now) => Answer::Nanos(self.read(now)),
            Answer::Sight(sight) => Answer::Sight(Sight {
                suspended: sight.suspended.map(|at| self.read(at)),
                at: self.read(sight.at),
                ..sight
            }),
            other => other,
        })
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.sim.act(what)
    }
}

fn lied(scenario: &Scenario, at: usize, lie: Lie) -> (Outcome, usize) {
    let mut host = Liar { sim: scenario.sim.clone(), at, lie, readings: Cell::new(0) };
    let outcome = run::backup(&mut host, &scenario.plan, &mut |_| {});
    (outcome, host.readings.get())
}

/// The reasons for which nothing was published, one a lie that was noticed.
fn reasons(scenario: &Scenario) -> Vec<String> {
    let readings = lied(scenario, usize::MAX, Lie::Past).1;
    let mut reasons = Vec::new();
    for (at, lie) in (0..readings).flat_map(|at| [(at, Lie::Past), (at, Lie::Future)]) {
        let (outcome, _) = lied(scenario, at, lie);
        let Err(failure) = &outcome.result else { continue };
        // A clock that runs ahead leaves lvm no time, and then nobody knows what it still does.
        let sound = outcome.is_clean() || failure.fault.is_overdue();
        assert!(sound, "{}: {lie:?} at {at}: {failure:?}", scenario.name);
        reasons.push(failure.fault.to_string());
    }
    reasons
}

#[test]
fn times_that_do_not_prove_the_lock_publish_nothing() {
    let broken = [
        "the lock was asked for",
        "the lock was granted",
        "the snapshot was let go",
        "the origin was seen before its suspend",
        "the origin was seen suspended",
        "the origin was seen live again",
        "the lock session was proven alive",
    ];
    let reasons = reasons(&scenario("mariadb-replica"));
    for words in broken {
        let noticed = reasons.iter().any(|why| why.contains(&format!(": {words} (")));
        assert!(noticed, "no lie about when {words} was noticed: {reasons:#?}");
    }
}
