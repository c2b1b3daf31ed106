//! An earlier backup in the simulated world, and a plan that links to it.

use std::path::Path;

use holdstill::copy::rsync::Choice;
use holdstill::digest::Digest;
use holdstill::host::sim::Sim;
use holdstill::host::{Ask, Moment};
use holdstill::manifest::{self, Entry, Manifest};
use holdstill::plan::{Base, Linking, Links, Plan};
use holdstill::units::Millis;

use super::STATE;
use super::plans::{DESTINATION, copy, mariadb_replica};
use super::worlds;

/// The backup that unchanged files are linked to.
pub(crate) const BASE: &str = "20260920T130640Z-0000002a";

/// A replica where files that did not change are linked to those of an earlier backup.
pub(crate) fn linked() -> Plan {
    let mut plan = mariadb_replica();
    let base = Path::new(DESTINATION).join(BASE);
    plan.linking = Some(Linking {
        clock_ms_max: Some(Millis(12)),
        base: Some(Base {
            run: BASE.into(),
            manifest: Digest::of(base_manifest().as_bytes()),
            until: Moment { seconds: i64::MAX, nanos: 0 },
            state_dir: STATE.into(),
            path: base.clone(),
        }),
        why_not: None,
    });
    let source = &mut plan.sources[0];
    let (root, partial) = (&source.view.point, &plan.publish.partial);
    let (list, target) = (partial.join("unchanged.list"), partial.join(&source.tree));
    let earlier = base.join(&source.tree);
    let choice = Choice::Unchanged { names: &list, earlier: &earlier };
    source.links = Some(Links {
        names: ["ib_logfile0", "ibdata1", "gone.ibd"].map(String::from).into(),
        cmd: copy(root, &target, choice),
        list,
    });
    source.copy = copy(root, &target, Choice::Rest);
    plan
}

/// A replica with an earlier backup, of which one file is as it will be again.
pub(crate) fn with_a_base() -> Sim {
    let sim = base_alone(worlds::mariadb_replica());
    let directory = Path::new(DESTINATION).join(BASE);
    sim.arrange().files.foreign_file(&directory.join(manifest::FILE), &base_manifest());
    sim
}

fn base_alone(sim: Sim) -> Sim {
    let directory = Path::new(DESTINATION).join(BASE);
    for (name, text) in [("ib_logfile0", "redo"), ("ibdata1", "tables"), ("gone.ibd", "rows")] {
        sim.arrange().files.foreign_file(&directory.join("tree").join(name), text);
    }
    sim
}

/// The manifest of the earlier backup.
fn base_manifest() -> String {
    let sim = base_alone(worlds::mariadb_replica());
    let directory = Path::new(DESTINATION).join(BASE);
    let found = sim.tree(&directory).expect("it is there").found.into_iter();
    let entries = found.map(|one| {
        let world = sim.world();
        let text = world.files.text(&directory.join(&one.path));
        Entry::new(one.path.clone(), &one, text.map(|text| Digest::of(text.as_bytes())))
    });
    Manifest::new(BASE, entries.collect()).text().expect("it can be written")
}
