//! The same for a thin volume: the place's origin is one here. That somebody else makes volumes in
//! the pool meanwhile is part of the cases.

use holdstill::host::{Act, Ask, Brim, Fault, Host, Point, Sight, Sign, Standing, Until, Watch};
use holdstill::snapshot::command;
use holdstill::snapshot::lvm::Name;
use holdstill::snapshot::thin;
use holdstill::units::Millis;

use super::{Case, MS_MAX, Place, RUN, TAG};

pub(super) const CASES: [(&str, Case); 5] = [
    ("a thin snapshot comes whole, raises the id, and goes twice", comes_and_goes),
    ("an order of a thin snapshot is seen at its point", order_is_seen),
    ("an id that somebody else has raised is not taken for ours", others_are_not_ours),
    ("an order that fails is told in lvm's words", order_fails),
    ("a pool's fill is told", fill_is_told),
];

const THEIRS: &str = "somebody-elses";

fn own() -> String {
    format!("hs-{RUN}")
}

fn pool(place: &Place) -> String {
    thin::pool_device(&Name::new(&place.vg, &place.pool))
}

fn point(place: &Place) -> Point {
    Point { origin: place.origin().device(), sign: Sign::Transaction(pool(place)) }
}

/// The pool's transaction id, with a live origin.
fn mark(host: &dyn Host, place: &Place) -> u64 {
    let Standing { suspended, mark, .. } =
        host.standing(&point(place)).expect("it can be looked at");
    assert!(!suspended);
    mark
}

fn order(place: &Place, origin: &str) -> Act {
    let (origin, own) = (Name::new(&place.vg, origin), Name::new(&place.vg, &own()));
    Act::Order(thin::order(&origin, &own, TAG, &place.devices))
}

fn watch(host: &dyn Host, place: &Place, mark: u64, until: Until) -> Result<Sight, Fault> {
    host.watch(&Watch { point: point(place), mark, until, ms_max: MS_MAX })
}

fn take(host: &mut dyn Host, place: &Place, lv: &str, tag: &str) {
    let own = Name::new(&place.vg, lv);
    let cmd = thin::take(&place.programs, &place.origin(), &own, tag, MS_MAX);
    host.act(&Act::Run(cmd)).expect("there is room");
}

/// A snapshot of ours that was made while the pool had this id, and its removal.
fn is_ours_and_goes(host: &mut dyn Host, place: &Place, made_at: u64) {
    let volume = place.volume(host, &own()).expect("it is reported");
    assert!(volume.has_tag(TAG));
    assert_eq!(volume.origin.as_deref(), Some(place.origin.as_str()));
    assert_eq!(volume.why_invalid(), None);
    assert_eq!(volume.thin_pool(), Some(Name::new(&place.vg, &place.pool)));
    assert_eq!(volume.transaction, Some(made_at));
    let before = mark(host, place);
    place.claim(&own()).undo(host).expect("it can be removed");
    assert_eq!(place.volume(host, &own()), None);
    assert_eq!(mark(host, place), before + 1, "a removal raises the id too");
    place.claim(&own()).undo(host).expect("removing nothing is done");
    assert_eq!(mark(host, place), before + 1);
}

fn comes_and_goes(host: &mut dyn Host, place: &Place) {
    let before = mark(host, place);
    take(host, place, &own(), TAG);
    assert_eq!(mark(host, place), before + 1);
    is_ours_and_goes(host, place, before);
}

fn order_is_seen(host: &mut dyn Host, place: &Place) {
    let before = mark(host, place);
    host.act(&place.shell()).expect("it gets ready");
    host.act(&Act::HoldShell).expect("it can be traced");
    host.act(&order(place, &place.origin)).expect("it takes an order");
    host.act(&order(place, &place.origin)).expect_err("it is at it, or through");
    watch(host, place, before, Until::Held).expect("it comes to its suspend");
    host.pause(Millis(500)).expect("time passes");
    assert_eq!(mark(host, place), before, "nothing is made yet");
    let began = host.now().expect("the clock runs");
    host.act(&Act::LetGo).expect("it was held");
    let past = watch(host, place, before, Until::Past).expect("it passes");
    println!("past {} ms after it was let go", (past.at - began) / 1_000_000);
    assert!(past.suspended.is_none_or(|at| began < at && at < past.at));
    assert_eq!(past.mark, before + 1);
    host.act(&Act::CloseShell(MS_MAX)).expect("it ends");
    assert_eq!(mark(host, place), before + 1);
    is_ours_and_goes(host, place, before);
}

fn others_are_not_ours(host: &mut dyn Host, place: &Place) {
    let before = mark(host, place);
    host.act(&place.shell()).expect("it gets ready");
    take(host, place, THEIRS, "somebody-else");
    host.act(&order(place, &place.origin)).expect("it takes an order");
    let past = watch(host, place, before, Until::Past).expect("it passes");
    assert_eq!(past.mark, before + 2, "theirs was up from the beginning");
    host.act(&Act::CloseShell(MS_MAX)).expect("it ends");
    let theirs = Name::new(&place.vg, THEIRS);
    assert_eq!(place.volume(host, THEIRS).and_then(|one| one.transaction), Some(before));
    is_ours_and_goes(host, place, before + 1);
    let theirs = command::remove(&place.programs, &theirs, "somebody-else");
    host.act(&Act::Run(theirs)).expect("its owner removes it");
}

fn order_fails(host: &mut dyn Host, place: &Place) {
    let before = mark(host, place);
    host.act(&place.shell()).expect("it gets ready");
    host.act(&order(place, "not-there")).expect("it takes an order");
    for until in [Until::Held, Until::Past] {
        let fault = watch(host, place, before, until).expect_err("there is no such volume");
        assert!(matches!(fault, Fault::Refused(_)), "{fault}");
        println!("told: {fault}");
    }
    host.act(&Act::CloseShell(MS_MAX)).expect("it ends");
    assert_eq!((place.volume(host, &own()), mark(host, place)), (None, before));
}

fn fill_is_told(host: &mut dyn Host, place: &Place) {
    let fill = host.pool(&pool(place)).expect("it can be looked at");
    println!("{fill:?}");
    let brim = |percent_max| Brim { pool: pool(place), percent_max };
    assert_eq!(brim(100).check(fill), Ok(()));
    brim(fill.data_percent.max(fill.metadata_percent)).check(fill).expect_err("it is so full");
    host.pool("no-such-pool").expect_err("there is no such device");
    host.pool(&place.origin().device()).expect_err("a volume is no pool");
}
