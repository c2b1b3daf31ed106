//! What a restore asks of a private server: the recovery, and perhaps the statements that make it a
//! replica. Looks alone; the server is [`crate::drill`]'s.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Owner, Place, Plan, marker, target};
use crate::database::attach::{self, Account, Missing};
use crate::drill::{self, Moved, Preparation, PrivateServers, Wanted};
use crate::host::{Fault, Host, Secret, Tree};
use crate::plan::Refusal;
use crate::units::Bytes;

/// What makes it a replica, if it is to be one.
#[derive(Clone, Debug)]
pub enum Apply {
    /// Nothing: it is only prepared.
    Nothing,
    /// The statements of the backup, as the account that the backup's own files keep.
    AsItWas,
    /// The same as another account, whose password is there.
    As(Account, Secret),
}

/// Decides how a restore is prepared, or tells what stands against it.
pub fn preparation(
    host: &dyn Host,
    plan: &Plan,
    servers: &PrivateServers,
    apply: &Apply,
) -> Result<Preparation, Refusal> {
    let record = &plan.record;
    let places: Vec<Moved> =
        plan.places.iter().map(|one| Moved { was: one.was.clone(), to: one.to.clone() }).collect();
    let has = |path: &Path| {
        plan.places.iter().any(|place| {
            let below = path.strip_prefix(&place.was).ok();
            below.is_some_and(|below| place.entries.iter().any(|one| one.path == below))
        })
    };
    let (account, secret) = match apply {
        Apply::As(account, secret) => (Some(account), secret),
        Apply::Nothing | Apply::AsItWas => (None, &Secret::None),
    };
    let applied = match apply {
        Apply::Nothing => None,
        _ => Some(
            attach::applied(&record.server, &record.coordinates, account)
                .map_err(|missing| not_applied(plan, missing))?,
        ),
    };
    let Owner { uid, gid } = owner_of_data(plan);
    let wanted = Wanted {
        servers,
        server: &record.server,
        opening: &record.opening,
        places: &places,
        has: &has,
        owner: (uid, gid),
        spare: spare(plan),
        apply: applied.as_ref().map(|applied| (applied, secret)),
    };
    drill::plan_preparation(host, &wanted)
}

/// Whose the data directory will be.
pub(super) fn owner_of_data(plan: &Plan) -> Owner {
    let root = plan.places.first().map(|place| (place.root.uid, place.root.gid));
    let (uid, gid) = root.unwrap_or_default();
    plan.owner.unwrap_or(Owner { uid, gid })
}

/// What is left where the data directory goes, when everything is there.
fn spare(plan: &Plan) -> Bytes {
    let to = plan.places.first().map(|place| &place.to);
    let rooms = plan.rooms.iter().filter(|room| to.is_some_and(|to| room.of.contains(to)));
    let spare = rooms.map(|room| room.free.0.saturating_sub(room.needed.0)).min();
    Bytes(spare.unwrap_or(0))
}

fn not_applied(plan: &Plan, missing: Missing) -> Refusal {
    let what = |why: &str| format!("cannot make a replica of backup {}: {why}", plan.run);
    match missing {
        Missing::BinaryLog => Refusal::new(
            what("the server had no source and wrote no binary log"),
            "Leave '--apply' away, or choose the backup of a server with a binary log.",
        ),
        Missing::Host => Refusal::new(
            what("its source is not known"),
            "Write 'host', 'user' and 'password' below [client] into a file of root's alone \
             (mode 0600), and name it with '--source-login FILE'.",
        ),
        Missing::User => Refusal::new(
            what("the account on the source is not known"),
            "Write 'user' below [client] into the file of '--source-login'.",
        ),
        Missing::Channel => Refusal::new(
            what("it has several sources, and an account is of one"),
            "Leave '--source-login' away: the accounts are kept in the backup's own files.",
        ),
    }
}

/// Whether everything belongs to whom it should when a server was in it: what was restored to whom
/// it was given, what the server has made to whom it ran as.
pub(super) fn strangers(
    place: &Place,
    tree: &Tree,
    given: Option<Owner>,
    servers: Owner,
) -> Result<(), Fault> {
    let restored: BTreeMap<&Path, Owner> = place
        .entries
        .iter()
        .map(|one| (one.path.as_path(), Owner { uid: one.uid, gid: one.gid }))
        .collect();
    for one in &tree.found {
        let path = one.path.as_path();
        if marker::is_name(&path.to_string_lossy()) || path.starts_with(target::LOST_AND_FOUND) {
            continue;
        }
        let owner = Owner { uid: one.uid, gid: one.gid };
        let was = given.or_else(|| restored.get(path).copied());
        // A server writes some of its files anew.
        if owner != servers && Some(owner) != was {
            let shown = place.to.join(path);
            return Err(Fault::refused(format!(
                "expected '{}' to belong to {servers}, found {owner}",
                shown.display()
            )));
        }
    }
    Ok(())
}
