//! One push, fetch or removal at a time, and none while backups are pruned here: what is read must
//! stay. A lock of its own, since a night's backup does not wait for a network.

use std::path::Path;

use crate::host::{Act, Ask, Fault, Host};
use crate::readers::PUSH;

/// What became of taking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is ours, as long as the process lives.
    Ours,
    /// It is another process's, as that says of itself.
    Others(String),
}

/// Takes the lock; taken again by the same process it only says more.
pub fn take(host: &mut dyn Host, state_dir: &Path, what: &str) -> Result<Held, Fault> {
    host.act(&Act::MakeDir(state_dir.into()))?;
    let machine = host.machine()?;
    let text = format!("{what}, process {}, since {}", machine.pid, machine.began());
    match host.act(&Act::TakeRunLock { path: state_dir.join(PUSH), text }) {
        Ok(_) => Ok(Held::Ours),
        Err(Fault::Refused(holder)) => Ok(Held::Others(holder.why)),
        Err(other) => Err(other),
    }
}
