//! Ledgers as they may be found: damaged, of another version or host, several at once. None loses a
//! claim, and what can be settled is, without a configuration and without a server.

use std::path::{Path, PathBuf};

use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::sim::Sim;
use holdstill::recover::{self, End, Recovered};
use holdstill::run;

use crate::common::runs::call_of;
use crate::common::{STATE, Scenario, scenario};

/// The ledger of the scenarios' run.
fn path() -> PathBuf {
    Path::new(STATE).join("ledger/20260921T130640Z-0000002a.json")
}

/// A machine on which a run has died while it copied, and the text of its ledger.
fn died() -> (Scenario, Sim, String) {
    died_after("rsync")
}

/// The same right after this act.
fn died_after(act: &str) -> (Scenario, Sim, String) {
    let one = scenario("mariadb-replica");
    let script = [(call_of(&one, act) + 1, Blow::CrashBefore)];
    let mut host = Faulty::new(one.sim.clone(), &script);
    run::backup(&mut host, &one.plan, &mut |_| {});
    let sim = host.end().0;
    let text = sim.world().files.text(&path()).expect("its ledger is kept").to_owned();
    (one, sim, text)
}

fn recovered(sim: &mut Sim) -> Vec<Recovered> {
    let all = recover::recover(sim, Path::new(STATE)).expect("it can look");
    sim.end_process();
    all
}

/// Why the only ledger is not settled; it is there as it was, and so is all that it tells of.
fn kept(text: &str) -> String {
    let (_, mut sim, _) = died();
    sim.arrange().files.foreign_file(&path(), text);
    let rests = sim.world().rests();
    let all = recovered(&mut sim);
    assert_eq!(sim.world().files.text(&path()), Some(text), "the ledger was changed");
    assert_eq!(sim.world().rests(), rests, "something was settled all the same");
    assert!(sim.world().breaches.is_empty(), "{:?}", sim.world().breaches);
    match all.as_slice() {
        [Recovered { end: End::Unusable { why }, .. }] => why.clone(),
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_damaged_ledger_is_kept_and_told() {
    let (_, _, text) = died();
    assert!(kept("").starts_with("it is not a ledger"));
    for cut in [1, text.len() / 3, text.len() / 2, text.trim_end().len() - 1] {
        let why = kept(&text[..cut]);
        assert!(why.starts_with("it is not a ledger"), "cut at {cut}: {why}");
    }
    let odd = text.replacen("\"claim\": \"snapshot\"", "\"claim\": \"snapsnot\"", 1);
    assert!(odd != text && kept(&odd).starts_with("it is damaged"));
}

#[test]
fn a_ledger_of_another_version_or_host_is_kept_and_told() {
    let (_, _, text) = died();
    for version in ["0", "2", "99"] {
        let other = text.replacen("\"version\": 1", &format!("\"version\": {version}"), 1);
        assert_eq!(kept(&other), format!("expected ledger version 1, found version {version}"));
    }
    let (_, sim, _) = died();
    let host = sim.world().machine.host.clone();
    let other = text.replacen(&format!("\"host\": \"{host}\""), "\"host\": \"elsewhere\"", 1);
    assert_eq!(kept(&other), format!("it is of host 'elsewhere', this is '{host}'"));
}

#[test]
fn one_ledger_does_not_stand_in_the_way_of_another() {
    let (_, mut sim, text) = died();
    let broken = path().with_file_name("20260101T000000Z-000001.json");
    let copy = path().with_file_name("20270101T000000Z-000002.json");
    sim.arrange().files.foreign_file(&broken, "{");
    sim.arrange().files.foreign_file(&copy, &text);
    let all = recovered(&mut sim);
    let clean: Vec<bool> = all.iter().map(|one| one.end.is_clean()).collect();
    assert_eq!(clean, [false, true, true], "{all:#?}");
    assert!(sim.world().files.get(&broken).is_some(), "what cannot be read is kept");
}

#[test]
fn a_recovery_can_be_repeated() {
    let (_, mut sim, _) = died();
    assert!(recovered(&mut sim).iter().all(|one| one.end.is_clean()));
    assert_eq!(sim.world().rests(), Vec::<String>::new());
    assert!(recovered(&mut sim).is_empty());
    assert!(sim.world().breaches.is_empty(), "{:?}", sim.world().breaches);
}

#[test]
fn after_a_boot_no_server_is_asked() {
    let asks = |sim: Sim| {
        let mut host = crate::common::recorder::Recorder::new(sim);
        let all = recover::recover(&mut host, Path::new(STATE)).expect("it can look");
        assert!(all.iter().all(|one| one.end.is_clean()), "{all:#?}");
        host.acts.take().iter().any(|act| act.contains("session"))
    };
    let (_, sim, _) = died_after("STOP SLAVE");
    assert!(asks(sim.clone()), "its appliers stand, and nobody else would start them");
    sim.power_loss();
    assert!(!asks(sim), "a server that was started anew is its own affair");
}

#[test]
fn what_others_could_have_written_is_not_even_read() {
    let (_, mut sim, text) = died();
    sim.arrange().files.open_to_others(&path());
    let all = recovered(&mut sim);
    let [Recovered { end: End::Unusable { why }, .. }] = all.as_slice() else { panic!("{all:#?}") };
    assert!(why.starts_with("others can write to"), "{why}");
    assert_eq!(sim.world().files.text(&path()), Some(text.as_str()));
}

#[test]
fn a_ledger_below_what_others_could_replace_is_not_read_either() {
    for above in ["/var", "/var/lib", STATE] {
        let (_, mut sim, _) = died();
        sim.arrange().files.open_to_others(Path::new(above));
        let all = recovered(&mut sim);
        let [Recovered { end: End::Unusable { why }, .. }] = all.as_slice() else {
            panic!("{above}: {all:#?}")
        };
        assert!(why.starts_with(&format!("others can write to '{above}'")), "{why}");
    }
}
