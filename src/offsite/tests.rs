//! Ways out, by what is there and what is said: nothing is reached here. Real hosts and real
//! repositories are reached in the lab (`case_offsite.py`).

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::restic::{differences, found};
use super::*;
use crate::config;
use crate::copy::restic::{Node, snapshots};
use crate::host::{Act, Moment};
use crate::manifest::{Entry, Type};
use crate::memory::Standing;
use crate::plan::Verdict;
use crate::retention::Rules;

const FACTS: &str = include_str!("../../tests/facts/restic/0.14-snapshots.json");
const RUN: &str = "20261123T010203Z-00002a";

fn site() -> Site {
    let text = "[destination]\ndirectory = '/backup'\n[[offsite]]\nname = 'v'\nkind = 'ssh'\n\
                host = 'h'\nuser = 'u'\ndirectory = '/d'\nkey_file = '/k'\nknown_hosts = '/n'\n";
    let place = config::parse(Path::new("/c"), text).unwrap().offsite.remove(0);
    let programs = Programs::Restic { env: "/env".into(), restic: "/restic".into() };
    Site { place, us: "db1".into(), programs, priority: Priority::default() }
}

fn far(run: &str, host: Option<&str>, form: Form) -> Far {
    let (bytes, unclear, record, ids) = (None, None, None, vec![run.to_owned()]);
    Far { run: run.into(), host: host.map(Into::into), form, bytes, unclear, record, ids }
}

#[test]
fn data_without_a_record_does_not_count() {
    let all = snapshots(FACTS).unwrap();
    let [whole] = &found(&all)[..] else { panic!("not one") };
    assert!(whole.counts());
    assert_eq!((whole.run.as_str(), whole.bytes), (RUN, Some(Bytes(588_898))));
    assert_eq!(whole.ids, [all[0].id.clone(), all[1].id.clone()]);
    let [data] = &found(&all[..1])[..] else { panic!("not one") };
    assert_eq!((data.form, data.counts()), (Form::Partial, false));
    let [record] = &found(&all[1..])[..] else { panic!("not one") };
    assert!(!record.counts(), "{record:?}");
    // As 'restic tag' and 'restic copy' do.
    let mut anew = all.clone();
    (anew[0].original, anew[0].id) = (Some(all[0].id.clone()), "5eed".into());
    let [whole] = &found(&anew)[..] else { panic!("not one") };
    assert!(whole.counts());
    // Whatever else was done to it, it is not what a push left, which may be removed.
    anew[0].original = None;
    let forms: Vec<_> = found(&anew).iter().map(|far| (far.form, far.counts())).collect();
    assert_eq!(forms, [(Form::Whole, false), (Form::Whole, false)]);
    let mut strange = all.clone();
    strange[0].tags = Some(vec!["holdstill.data".into(), "run=../../etc".into()]);
    assert_eq!(found(&strange[..1]), []);
}

#[test]
fn every_name_and_size_is_held_against_the_manifest() {
    let entry = |path: &str, is, size| Entry {
        path: path.into(),
        is,
        size: Bytes(size),
        mode: 0,
        uid: 0,
        gid: 0,
        mtime: Moment::default(),
        target: None,
        blake3: None,
    };
    let node = |path: &str, is: &str, size| Node { path: path.into(), is: is.into(), size };
    let entries = [
        entry("tree", Type::Directory, 0),
        entry("tree/a", Type::File, 3),
        entry("tree/l", Type::Link, 9),
    ];
    let mut nodes = vec![
        node("/backup.json", "file", 5),
        node("/manifest.jsonl", "file", 5),
        node("/coordinates.sql", "file", 5),
        node("/tree", "dir", 0),
        node("/tree/a", "file", 3),
        node("/tree/l", "symlink", 0),
    ];
    assert_eq!(differences(&entries, &nodes), Vec::<String>::new());
    nodes[4].size = 2;
    nodes[5].is = "file".into();
    nodes.push(node("/tree/x", "file", 1));
    nodes.remove(3);
    assert_eq!(
        differences(&entries, &nodes),
        [
            "missing: 'tree'",
            "'tree/a': expected 3 bytes, found 2",
            "'tree/l': expected a symlink, found a file",
            "extra: 'tree/x'",
        ]
    );
}

#[test]
fn only_what_is_certainly_ours_and_over_goes_elsewhere() {
    const OLD: &str = "20261101T010203Z-00000a";
    const THEIRS: &str = "20261102T010203Z-00000b";
    const BENT: &str = "20261103T010203Z-00000c";
    const BEGUN: &str = "20261104T010203Z-00000d";
    const LEFT: &str = "20261105T010203Z-00000e";
    let bent = Far { unclear: Some("cut".into()), ..far(BENT, None, Form::Whole) };
    let all = [
        far(OLD, Some("db1"), Form::Whole),
        far(THEIRS, Some("db2"), Form::Whole),
        bent,
        far(BEGUN, Some("db1"), Form::Partial),
        far(LEFT, Some("db1"), Form::Partial),
        far(LEFT, Some("db2"), Form::Removing),
        far(OLD, Some("db1"), Form::Removing),
        far(RUN, Some("db1"), Form::Whole),
    ];
    let rules = Rules { last: Some(1), ..Rules::default() };
    let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let plan = judge(&site(), &all, &rules, now, &[BEGUN.into()], &|_| Ok(Standing::Unseen));
    let gone: Vec<String> = plan.gone.iter().map(|far| far.form.name(&far.run)).collect();
    assert_eq!(gone, [OLD.to_owned(), format!(".{LEFT}.partial"), format!(".{OLD}.removing")]);
    assert_eq!(plan.judged.len(), 4);
    // What was found damaged here may have been so when it was pushed: it keeps nobody's place.
    let damaged = |run: &str| match run {
        RUN => Ok(Standing::Damaged(now, "a page".into())),
        _ => Ok(Standing::Unseen),
    };
    let plan = judge(&site(), &all, &rules, now, &[BEGUN.into()], &damaged);
    assert!(plan.gone.iter().all(|far| far.form != Form::Whole), "{:?}", plan.gone);
    let unread = |_: &str| Err(Fault::refused("cannot read it"));
    let plan = judge(&site(), &all, &rules, now, &[BEGUN.into()], &unread);
    assert!(plan.gone.iter().all(|far| far.form != Form::Whole), "{:?}", plan.gone);
    // A wrong clock here removes nothing there.
    let before: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let plan = judge(&site(), &all[..1], &rules, before, &[], &|_| Ok(Standing::Unseen));
    assert_eq!(plan.gone, []);
}

#[test]
fn a_push_that_failed_is_remembered_until_one_succeeds() {
    let home = tempfile::tempdir().unwrap();
    let mut host = crate::host::linux::Linux::new().unwrap();
    let (older, newer) = ("20261101T010203Z-00000a", RUN);
    let mut note = |run: &str, ended| {
        memo::note(&mut host, home.path(), "v", run, ended).unwrap();
        recall(&host, home.path(), "v").unwrap()
    };
    let fault = Fault::unsure("no route");
    assert_eq!(note(newer, Ok(())).pushed.map(|one| one.run), Some(newer.into()));
    let failed = note(newer, Err(&fault));
    assert_eq!(failed.failed.map(|one| one.why), Some("no route".into()));
    let by_hand = note(older, Ok(()));
    assert!(by_hand.failed.is_some(), "an older backup hides that a newer one is missing");
    assert_eq!(by_hand.pushed.map(|one| one.run), Some(newer.into()));
    assert_eq!(note(newer, Ok(())).failed, None);
    let path: PathBuf = home.path().join("pushed/v.json");
    host.act(&Act::WriteFile { path, text: "{".into() }).unwrap();
    assert!(recall(&host, home.path(), "v").is_err(), "taken for ignorance");
}

#[test]
fn damage_elsewhere_is_remembered_until_all_is_sound_or_gone() {
    const OTHER: &str = "20261101T010203Z-00000a";
    let home = tempfile::tempdir().unwrap();
    let mut host = crate::host::linux::Linux::new().unwrap();
    memo::note(&mut host, home.path(), "v", RUN, Ok(())).unwrap();
    let mut look = |run: &str, problems: &[&str], depth| {
        let problems: Vec<String> = problems.iter().map(|one| (*one).to_owned()).collect();
        note_verified(&mut host, home.path(), "v", run, &problems, depth).unwrap();
        let memo = recall(&host, home.path(), "v").unwrap();
        assert!(memo.pushed.is_some(), "what was pushed is forgotten");
        let known = memo.damaged.into_iter().map(|(run, one)| format!("{run}: {}", one.problem));
        known.collect::<Vec<_>>()
    };
    assert_eq!(look(RUN, &[], Depth::All), [""; 0]);
    let told = [format!("{RUN}: a")];
    assert_eq!(look(RUN, &["a", "b"], Depth::Percent(5)), told);
    assert_eq!(look(RUN, &[], Depth::Percent(5)), told, "a share cleared the rest");
    assert_eq!(look(OTHER, &["c"], Depth::All).len(), 2);
    assert_eq!(look(OTHER, &[], Depth::All), told);
    look(OTHER, &["c"], Depth::All);
    keep_only(&mut host, home.path(), "v", &[]).unwrap();
    let memo = recall(&host, home.path(), "v").unwrap();
    assert_eq!(memo.damaged.len(), 2, "what is not mounted there is not gone");
    assert!(memo.damage_of("20261102T010203Z-00000b").is_none());
    let there = [far(RUN, Some("db1"), Form::Whole)];
    keep_only(&mut host, home.path(), "v", &there).unwrap();
    let memo = recall(&host, home.path(), "v").unwrap();
    assert_eq!(memo.damaged.keys().collect::<Vec<_>>(), [RUN]);
    memo::note(&mut host, home.path(), "v", RUN, Ok(())).unwrap();
    assert_eq!(recall(&host, home.path(), "v").unwrap().damaged.len(), 0, "it was pushed anew");
    let of_all = [format!("{}a pack", restic::REPOSITORY)];
    note_verified(&mut host, home.path(), "v", RUN, &of_all, Depth::All).unwrap();
    let memo = recall(&host, home.path(), "v").unwrap();
    assert!(memo.damage_of(OTHER).is_some(), "the repository is that of all");
    // What an earlier version wrote has no such list.
    let path: PathBuf = home.path().join("pushed/v.json");
    let text = r#"{"version": 1, "pushed": null, "failed": null}"#.into();
    host.act(&Act::WriteFile { path, text }).unwrap();
    assert_eq!(recall(&host, home.path(), "v").unwrap().damaged.len(), 0);
}

#[test]
fn a_place_whose_secrets_others_can_read_is_refused_before_anything() {
    let home = tempfile::tempdir().unwrap();
    let mut host = crate::host::linux::Linux::new().unwrap();
    let at = |name: &str| home.path().join(name);
    for name in ["repository", "password"] {
        host.act(&Act::WriteReadable { path: at(name), text: "x".into() }).unwrap();
    }
    let text = format!(
        "[destination]\ndirectory = '/backup'\n[[offsite]]\nname = 'c'\nkind = 'restic'\n\
         repository_file = '{}'\npassword_file = '{}'\n",
        at("repository").display(),
        at("password").display()
    );
    let config = config::parse(Path::new("/c"), &text).unwrap();
    let refused = prepare(&host, &config, &config.offsite[0]).unwrap_err();
    assert!(refused.what.contains("is open to others (mode 0644)"), "{}", refused.what);
    assert!(refused.hint.is_some_and(|hint| hint.starts_with("Run: chmod 0600")));
    host.act(&Act::RemoveFile(at("repository"))).unwrap();
    let refused = prepare(&host, &config, &config.offsite[0]).unwrap_err();
    assert!(refused.what.contains("is not there"), "{}", refused.what);
    let [note] = &notes(&host, &config)[..] else { panic!("not one") };
    assert_eq!(note.verdict, Verdict::Warning, "a place is no reason to have no backup");
    assert_eq!((&note.found, &note.hint), (&refused.what, &refused.hint));
}
