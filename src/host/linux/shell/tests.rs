//! A plain shell in lvm's place: it runs what it reads, and complains of a word it does not know.

use std::time::Instant;

use super::super::signals::Signals;
use super::super::watch::watch;
use super::*;
use crate::host::{Point, Sight, Sign, Standing, Until, Watch};

const MS_MAX: Millis = Millis(10_000);
const LIVE: Standing = Standing { suspended: false, mark: 0 };

fn opened_with(warm: &[&str], ms_max: u64) -> (Slot, Result<Answer, Fault>) {
    let mut slot = Slot::default();
    let warm = warm.iter().map(|line| (*line).to_owned()).collect();
    let outcome = slot.open(&Shell { program: "/bin/sh".into(), warm, ms_max: Millis(ms_max) });
    (slot, outcome)
}

fn opened() -> Slot {
    let (slot, outcome) = opened_with(&["echo warm"], MS_MAX.0);
    assert_eq!(outcome, Ok(Answer::Done));
    slot
}

fn told<T>(outcome: Result<T, Fault>) -> String {
    match outcome {
        Ok(_) => "done".into(),
        Err(Fault::Refused(cause)) => format!("refused: {}", cause.why),
        Err(Fault::Unsure(cause)) => format!("unsure: {}", cause.why),
        Err(Fault::Overdue(cause)) => format!("overdue: {}", cause.why),
    }
}

fn order_of(sign: Sign, until: Until, ms_max: u64) -> Watch {
    let point = Point { origin: "lab-o".into(), sign };
    Watch { point, mark: 0, until, ms_max: Millis(ms_max) }
}

fn tables(until: Until) -> Watch {
    order_of(Sign::Tables("lab-s".into()), until, MS_MAX.0)
}

/// Watches while the looks see these standings, the last of them again and again.
fn watched(slot: &mut Slot, what: &Watch, standings: &[Standing]) -> Result<Sight, Fault> {
    let mut at = 0;
    let nobody = Signals::of_test(std::sync::Arc::default()).since_now();
    watch(slot.running().unwrap(), what, &nobody, &mut || {
        let seen = standings[at.min(standings.len() - 1)];
        at += 1;
        Ok(seen)
    })
}

fn standing(suspended: bool, mark: u64) -> Standing {
    Standing { suspended, mark }
}

#[test]
fn a_shell_is_warmed_and_ends_with_its_input() {
    let mut slot = opened();
    assert_eq!(
        told(slot.open(&Shell { program: "/bin/sh".into(), warm: vec![], ms_max: MS_MAX })),
        "refused: there is a shell of lvm already"
    );
    for _ in 0..2 {
        assert_eq!(slot.close(MS_MAX), Ok(Answer::Text(None)));
    }
    assert_eq!(told(slot.order("echo")), "refused: there is no shell of lvm");
}

#[test]
fn it_has_a_clean_environment_and_nowhere_to_write_a_history() {
    let env = "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort | tr '\\n' ' ' >&2; pwd";
    let (_, outcome) = opened_with(&[&format!("{env} >&2")], MS_MAX.0);
    let seen = "HOME=/dev/null LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin /";
    assert_eq!(told(outcome), format!("refused: the shell of lvm does not get ready: {seen}"));
}

#[test]
fn what_warms_it_may_warn_but_not_fail() {
    for fine in ["echo '  WARNING: of a device' >&2", "echo other >&2; echo the report"] {
        assert_eq!(opened_with(&[fine], MS_MAX.0).1, Ok(Answer::Done), "{fine}");
    }
    let (mut slot, outcome) =
        opened_with(&["printf 'lvm> ls\\n'; echo '  no group' >&2"], MS_MAX.0);
    assert_eq!(told(outcome), "refused: the shell of lvm does not get ready: no group");
    assert_eq!(told(slot.order("echo")), "refused: there is no shell of lvm");
    let (_, outcome) = opened_with(&["kill -SEGV $$"], MS_MAX.0);
    let ended = "the shell of lvm has ended by SIGSEGV";
    assert_eq!(told(outcome), format!("refused: the shell of lvm does not get ready: {ended}"));
    let mut slot = Slot::default();
    let missing = Shell { program: "/no/such".into(), warm: vec![], ms_max: MS_MAX };
    assert!(told(slot.open(&missing)).starts_with("refused: cannot run '/no/such': "));
}

#[test]
fn a_late_shell_is_left_alone_and_can_still_speak() {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let long = format!("sleep 0.4; seq 100000; seq 100000 >&2; echo x > {}", done.display());
    let (mut slot, outcome) = opened_with(&[&long], 100);
    assert!(told(outcome).ends_with(" is not done after 100 ms"));
    let again = Shell { program: "/bin/sh".into(), warm: vec![], ms_max: MS_MAX };
    assert!(told(slot.open(&again)).ends_with(" still runs"));
    assert!(told(slot.close(Millis(10))).starts_with("overdue: "));
    assert_eq!(slot.close(MS_MAX), Ok(Answer::Text(None)));
    assert!(done.exists(), "it was cut off");
    assert_eq!(slot.open(&again), Ok(Answer::Done));
}

#[test]
fn a_shell_that_is_busy_takes_no_order_and_is_waited_for() {
    let mut slot = opened();
    let began = Instant::now();
    assert_eq!(slot.order("sleep 1; echo '  bad luck' >&2"), Ok(Answer::Done));
    assert!(began.elapsed() < Duration::from_millis(900));
    assert!(told(slot.order("echo")).contains("is busy with 'sleep 1"));
    assert!(told(slot.close(Millis(20))).starts_with("overdue: the shell of lvm (process "));
    assert_eq!(slot.close(MS_MAX), Ok(Answer::Text(None)), "what it says is read by nobody");
    let mut slot = opened();
    slot.order("echo '  bad luck' >&2").unwrap();
    assert_eq!(slot.close(MS_MAX), Ok(Answer::Text(Some("bad luck".into()))));
}

#[test]
fn what_is_not_one_line_is_refused_and_so_is_a_command_after_devices_were_named() {
    let mut slot = opened();
    assert!(told(slot.order("echo\necho")).ends_with("it is not one line that lvm could read"));
    assert!(told(slot.order(&"x".repeat(5000))).ends_with("that lvm could read"));
    slot.order("echo --devices").unwrap();
    watched(&mut slot, &tables(Until::Past), &[LIVE]).unwrap_err();
    assert!(told(slot.order("echo")).ends_with("a command after '--devices'"));
}

#[test]
fn a_point_is_seen_when_it_has_passed_and_not_before() {
    let mut slot = opened();
    slot.order("sleep 2").unwrap();
    let before = machine_now();
    let seen = [LIVE, LIVE, standing(true, 0), standing(true, 1), standing(false, 1)];
    let past = watched(&mut slot, &tables(Until::Past), &seen).unwrap();
    assert!(past.suspended.is_some_and(|at| before < at && at < past.at));
}

fn machine_now() -> u64 {
    super::super::machine::now().unwrap()
}

#[test]
fn a_pools_id_counts_with_a_suspend_or_at_the_end() {
    let pool = || Sign::Transaction("lab-pool".into());
    let mut slot = opened();
    slot.order("sleep 2").unwrap();
    let early = watched(&mut slot, &order_of(pool(), Until::Past, 20), &[standing(false, 1)]);
    assert_eq!(told(early), "overdue: 'lab-o' is not seen there after 20 ms");
    let seen = [standing(true, 1), standing(false, 1)];
    let sight = watched(&mut slot, &order_of(pool(), Until::Past, 100), &seen).unwrap();
    assert!(sight.suspended.is_some());
    let mut slot = opened();
    slot.order("sleep 0.05").unwrap();
    let at_the_end = order_of(pool(), Until::Past, MS_MAX.0);
    let sight = watched(&mut slot, &at_the_end, &[standing(false, 1)]).unwrap();
    assert_eq!(sight.suspended, None);
}

#[test]
fn a_command_that_ends_without_the_point_says_why() {
    let said = [
        "echo '  WARNING: of nothing' >&2; echo '  no such origin' >&2",
        "echo '  no such origin' >&2; kill -9 $$",
        "true",
    ];
    let why = [
        "no such origin",
        "no such origin; the shell of lvm has ended by SIGKILL",
        "lvm does not say why",
    ];
    for (line, why) in said.into_iter().zip(why) {
        let mut slot = opened();
        slot.order(line).unwrap();
        for until in [Until::Held, Until::Past] {
            let outcome = told(watched(&mut slot, &tables(until), &[LIVE]));
            assert_eq!(outcome, format!("refused: there is no snapshot of 'lab-o': {why}"));
        }
    }
}

#[test]
fn a_watch_without_an_order_is_refused_at_once() {
    let outcome = told(watched(&mut opened(), &tables(Until::Past), &[LIVE]));
    assert!(outcome.starts_with("refused: "), "{outcome}");
}

#[test]
fn a_shell_that_is_traced_but_never_suspends_anything_is_not_held() {
    let mut slot = opened();
    assert_eq!(slot.hold(), Ok(Answer::Done));
    assert!(told(slot.hold()).ends_with("it does not wait for an order"));
    slot.order("echo '  bad luck' >&2").unwrap();
    let outcome = told(watched(&mut slot, &tables(Until::Held), &[LIVE]));
    assert_eq!(outcome, "refused: there is no snapshot of 'lab-o': bad luck");
    assert_eq!(told(slot.let_go()), "refused: the shell of lvm is not held any more");
    assert_eq!(slot.close(MS_MAX), Ok(Answer::Text(Some("bad luck".into()))));
}
