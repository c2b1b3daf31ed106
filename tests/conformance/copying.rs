//! The cases of a copy and of what it needs meanwhile: started, heard, ended; the store that fills.

use std::path::PathBuf;

use holdstill::claim::Claim;
use holdstill::copy::rsync;
use holdstill::host::{Act, Answer, Ask, Cmd, Exit, Host, Priority, Said};
use holdstill::snapshot::lvm::Name;
use holdstill::snapshot::thick;
use holdstill::units::{Bytes, Millis};

use super::{Case, MS_MAX, Place, RUN, device, mounted};

pub(super) const CASES: [(&str, Case); 3] = [
    ("a copy is heard to its end, and there is one", copy_is_heard),
    ("a copy that is ended is over, and what it read is free", copy_is_ended),
    ("a COW store tells how full it is, and grows", store_grows),
];

const SOON: Millis = Millis(200);
const SIZE: Bytes = Bytes(64 << 20);
const LARGER: Bytes = Bytes(128 << 20);

/// A mounted snapshot, and what undoes both.
fn view(host: &mut dyn Host, place: &Place) -> (PathBuf, [Claim; 2]) {
    let lv = format!("hs-{RUN}");
    place.take(host, &lv, SIZE).expect("there is room");
    let order = mounted(host, place, &lv);
    let claim = Claim::Mounted { point: order.point.clone(), device: order.device };
    (order.point, [claim, place.claim(&lv)])
}

fn copy_of(place: &Place, root: &PathBuf, target: &PathBuf) -> Cmd {
    let (parts, ms_max) = ([".".to_owned()], MS_MAX);
    rsync::command(&rsync::Order {
        rsync: &place.rsync,
        root,
        parts: &parts,
        excludes: &[],
        target,
        choice: rsync::Choice::All,
        handed: rsync::Handed::Plain,
        bandwidth_max: None,
        ms_max,
    })
}

fn undo(host: &mut dyn Host, claims: [Claim; 2], target: PathBuf) {
    for claim in claims {
        claim.undo(host).expect("it can be undone");
    }
    host.act(&Act::RemoveTree(target)).expect("the copy can be removed");
}

fn copy_is_heard(host: &mut dyn Host, place: &Place) {
    let (root, claims) = view(host, place);
    let target = place.scratch.join("copy");
    host.act(&Act::NewDir(target.clone())).expect("it is new");
    host.hear(SOON).expect_err("there is no copy");
    let cmd = copy_of(place, &root, &target);
    host.act(&Act::Start { cmd: cmd.clone(), priority: Priority::default() }).expect("it starts");
    host.act(&Act::Start { cmd, priority: Priority::default() }).expect_err("there is one");
    let mut tail = rsync::Tail::default();
    let mut seen = 0;
    let exit = loop {
        let Said { lines, exit } = host.hear(SOON).expect("it can be heard");
        seen += lines.iter().filter_map(|line| tail.read(line)).count();
        if let Some(exit) = exit {
            break exit;
        }
    };
    assert_eq!(exit, Exit { code: Some(0), stderr: String::new() });
    assert!(seen > 0, "it tells how far it is");
    assert!(tail.stats().files > 0, "it tells what it has copied");
    host.hear(SOON).expect_err("there is none any more");
    assert_eq!(host.act(&Act::End), Ok(Answer::Done), "ending nothing is done");
    assert!(!host.list(&target).expect("it can be listed").is_empty());
    undo(host, claims, target);
}

fn copy_is_ended(host: &mut dyn Host, place: &Place) {
    let (root, claims) = view(host, place);
    let target = place.scratch.join("copy");
    host.act(&Act::NewDir(target.clone())).expect("it is new");
    host.act(&Act::Start { cmd: copy_of(place, &root, &target), priority: Priority::default() })
        .expect("it starts");
    Claim::Copying.undo(host).expect("it can be ended");
    host.hear(SOON).expect_err("there is none any more");
    Claim::Copying.undo(host).expect("ending nothing is done");
    undo(host, claims, target);
}

fn store_grows(host: &mut dyn Host, place: &Place) {
    let lv = format!("hs-{RUN}");
    let name = Name::new(&place.vg, &lv);
    host.cow(&device(&name)).expect_err("there is none yet");
    place.take(host, &lv, SIZE).expect("there is room");
    let before = host.cow(&device(&name)).expect("it can be looked at");
    assert_eq!(before.size, SIZE);
    assert!(before.percent() < 100, "{before:?}");
    let extend = thick::extend(&place.programs, &name);
    host.act(&Act::Run(thick::to_size(&extend, LARGER))).expect("there is room");
    let after = host.cow(&device(&name)).expect("it can be looked at");
    assert_eq!(after.size, LARGER);
    assert!(after.used >= before.used, "what was written is there still");
    host.act(&Act::Run(thick::to_size(&extend, LARGER))).expect_err("it is so large already");
    place.claim(&lv).undo(host).expect("it can be removed");
    host.cow(&device(&name)).expect_err("there is none any more");
}
