//! The other backups that hold a damaged file under the same inode: what is wrong with it in one is
//! wrong with it in all of them.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Order;
use super::problem::{Problem, What};
use crate::host::{Ask, Fault, Host, Type};
use crate::manifest;
use crate::store::{self, Form, What as Is};

/// Another backup, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sharer {
    /// Its run.
    pub run: String,
    /// What is wrong with it, by path.
    pub problems: Vec<Problem>,
}

/// Finds them beside a backup with these problems, oldest first; one that a run is at as well.
pub(super) fn find(
    host: &dyn Host,
    order: &Order<'_>,
    problems: &[Problem],
) -> Result<Vec<Sharer>, Fault> {
    let wrong: HashMap<&str, &Problem> = problems
        .iter()
        .filter(|one| is_of_the_file(&one.what))
        .map(|one| (one.path.as_str(), one))
        .collect();
    let Some(destination) = order.path.parent().filter(|_| !wrong.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut inodes: HashMap<u64, &Problem> = HashMap::new();
    for one in host.tree(order.path)?.found.iter().filter(|one| one.names > 1) {
        let problem = wrong.get(manifest::shown(&one.path).as_str());
        inodes.extend(problem.map(|problem| (one.inode, *problem)));
    }
    if inodes.is_empty() {
        return Ok(Vec::new());
    }
    let device = host.entry(order.path)?.map(|entry| entry.device);
    let mut sharers = Vec::new();
    for other in store::find(host, destination)? {
        let ours = matches!(other.what, Ok(Is::Ours(_))) && other.form != Form::Removing;
        let same_place = || host.entry(&other.path).map(|e| e.map(|entry| entry.device) == device);
        if other.run == order.run || !ours || !same_place()? {
            continue;
        }
        let tree = host.tree(&other.path)?;
        let shared = tree.found.iter().filter(|one| one.is == Type::File).filter_map(|one| {
            inodes.get(&one.inode).map(|same| Problem::new(&one.path, same.what.clone()))
        });
        let problems: Vec<Problem> = shared.collect();
        if !problems.is_empty() {
            sharers.push(Sharer { run: other.run, problems });
        }
    }
    Ok(sharers)
}

/// Whether something is wrong with the file itself, and not with its name.
fn is_of_the_file(what: &What) -> bool {
    matches!(
        what,
        What::Size { .. }
            | What::Content { .. }
            | What::Unreadable { .. }
            | What::Mode { .. }
            | What::Owner { .. }
            | What::Time { .. }
            | What::BadPages { .. }
    )
}
