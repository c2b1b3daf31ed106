//! The cases of the shell of lvm: what it is ordered, how that is held, let go and seen.

use holdstill::host::{Act, Answer, Ask, Fault, Host, Standing, Until, Watch};
use holdstill::units::Millis;

use super::{Case, MS_MAX, Place, RUN, TAG};

pub(super) const CASES: [(&str, Case); 5] = [
    ("an order to a warm shell is seen at its point", order_is_seen),
    ("an order is held before its suspend, and let go", order_is_held),
    ("an order that is held ends with its shell", held_order_ends),
    ("an order that fails is told in lvm's words", order_fails),
    ("there is one shell, and it goes twice", one_shell),
];

/// A plain origin, and nothing of ours.
const QUIET: Standing = Standing { suspended: false, mark: 0 };

fn order_is_seen(host: &mut dyn Host, place: &Place) {
    let lv = format!("hs-{RUN}");
    assert_eq!(host.standing(&place.point(&lv)), Ok(QUIET), "a plain origin, and nothing of ours");
    place.store(host, &lv);
    assert_eq!(host.standing(&place.point(&lv)), Ok(QUIET), "a store is no snapshot yet");
    host.act(&place.shell()).expect("it gets ready");
    let before = host.now().expect("the clock runs");
    host.act(&place.order(&place.origin, &lv)).expect("it takes an order");
    host.act(&place.order(&place.origin, &lv)).expect_err("it is at it, or through");
    host.act(&Act::LetGo).expect_err("nobody holds it");
    let past = host.watch(&place.watch(&lv, Until::Past)).expect("it passes");
    assert!(past.suspended.is_none_or(|at| before < at && at < past.at));
    assert_eq!(host.standing(&place.point(&lv)), Ok(Standing { mark: 1, ..QUIET }));
    assert_eq!(host.act(&Act::CloseShell(MS_MAX)), Ok(Answer::Text(None)), "no complaint");
    let volume = place.volume(host, &lv).expect("it is reported");
    assert!(volume.has_tag(TAG));
    assert_eq!(volume.origin.as_deref(), Some(place.origin.as_str()));
    assert_eq!(volume.why_invalid(), None);
    place.claim(&lv).undo(host).expect("it can be removed");
    assert_eq!(host.standing(&place.point(&lv)), Ok(QUIET));
}

fn order_is_held(host: &mut dyn Host, place: &Place) {
    let lv = format!("hs-{RUN}");
    host.act(&Act::HoldShell).expect_err("there is no shell");
    place.store(host, &lv);
    host.act(&place.shell()).expect("it gets ready");
    host.act(&Act::HoldShell).expect("it can be traced");
    host.act(&place.order(&place.origin, &lv)).expect("it takes an order");
    host.watch(&place.watch(&lv, Until::Held)).expect("it comes to its suspend");
    host.pause(Millis(500)).expect("time passes");
    assert_eq!(host.standing(&place.point(&lv)), Ok(QUIET), "nothing is suspended, or was");
    let soon = Watch { ms_max: Millis(50), ..place.watch(&lv, Until::Past) };
    assert!(host.watch(&soon).expect_err("it does not pass").is_overdue());
    let before = host.now().expect("the clock runs");
    host.act(&Act::LetGo).expect("it was held");
    let past = host.watch(&place.watch(&lv, Until::Past)).expect("it passes");
    println!("past {} ms after it was let go", (past.at - before) / 1_000_000);
    assert!(past.suspended.is_none_or(|at| before < at && at < past.at));
    host.act(&Act::LetGo).expect_err("it was let go already");
    assert_eq!(host.act(&Act::CloseShell(MS_MAX)), Ok(Answer::Text(None)), "no complaint");
    place.claim(&lv).undo(host).expect("it can be removed");
    assert_eq!(host.standing(&place.point(&lv)), Ok(QUIET));
}

fn held_order_ends(host: &mut dyn Host, place: &Place) {
    let lv = format!("hs-{RUN}");
    place.store(host, &lv);
    host.act(&place.shell()).expect("it gets ready");
    host.act(&Act::HoldShell).expect("it can be traced");
    host.act(&place.order(&place.origin, &lv)).expect("it takes an order");
    host.watch(&place.watch(&lv, Until::Held)).expect("it comes to its suspend");
    assert_eq!(host.act(&Act::CloseShell(MS_MAX)), Ok(Answer::Text(None)), "it is let go");
    assert_eq!(host.standing(&place.point(&lv)), Ok(Standing { mark: 1, ..QUIET }));
    place.claim(&lv).undo(host).expect("it can be removed");
    host.act(&place.shell()).expect("it gets ready");
    host.act(&Act::HoldShell).expect("it can be traced");
    host.act(&place.order("not-there", &lv)).expect("it takes an order");
    host.watch(&place.watch(&lv, Until::Held)).expect_err("it suspends nothing");
    host.act(&Act::LetGo).expect_err("it was never held");
    host.act(&Act::CloseShell(MS_MAX)).expect("it ends");
}

fn order_fails(host: &mut dyn Host, place: &Place) {
    let lv = format!("hs-{RUN}");
    place.store(host, &lv);
    for (origin, own) in [("not-there", lv.as_str()), (place.origin.as_str(), "not-there")] {
        host.act(&place.shell()).expect("it gets ready");
        host.act(&place.order(origin, own)).expect("it takes an order");
        for until in [Until::Held, Until::Past] {
            let fault = host.watch(&place.watch(own, until)).expect_err("there is no such volume");
            assert!(matches!(fault, Fault::Refused(_)), "{fault}");
            println!("told: {fault}");
        }
        let said = host.act(&Act::CloseShell(MS_MAX)).expect("it ends");
        assert!(matches!(said, Answer::Text(Some(_))), "it complained, and said {said:?}");
    }
    place.claim(&lv).undo(host).expect("a store can be removed");
    assert_eq!(place.volume(host, &lv), None);
}

fn one_shell(host: &mut dyn Host, place: &Place) {
    let own = "not-there";
    host.act(&place.order(&place.origin, own)).expect_err("there is no shell");
    host.watch(&place.watch(own, Until::Past)).expect_err("there is no shell");
    host.act(&place.shell()).expect("it gets ready");
    host.act(&place.shell()).expect_err("there is one already");
    host.act(&Act::CloseShell(MS_MAX)).expect("it ends");
    host.act(&Act::CloseShell(MS_MAX)).expect("ending nothing is done");
    host.act(&place.order(&place.origin, own)).expect_err("there is no shell any more");
    host.act(&place.shell()).expect("there can be another");
    host.act(&Act::CloseShell(MS_MAX)).expect("it ends");
}
