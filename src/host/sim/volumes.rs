//! Logical volumes of the simulated machine, and what a snapshot of one has caught.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::files::Owner;
use super::server::{Channel, Server};
use crate::host::{CowFill, Device, Fault};
use crate::snapshot::lvm::Name;
use crate::snapshot::thin;
use crate::units::Bytes;

/// How full a pool is that has filled up.
const NEARLY_FULL: u64 = 95;

/// How full a COW store is that has filled up, in percent, and what is free in the group.
const STORE_NEARLY_FULL: u64 = 97;
const FREE: u64 = 1 << 30;

/// All volumes.
#[derive(Clone, Debug)]
pub struct Volumes {
    /// In the order lvm reports them.
    pub all: Vec<Lv>,
    /// Thin pools.
    pub pools: Vec<Pool>,
    /// Devices of snapshots that lvm died over, which no report tells.
    pub halves: Vec<String>,
    /// An origin with a table that is not live, which uses the device below it.
    pub loaded: Option<String>,
    /// An origin that lvm died over while it was suspended.
    pub stuck: Option<String>,
    /// What the only group has free, in bytes.
    pub free: u64,
    minors: u32,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Lv {
    /// Its volume group.
    pub vg: String,
    /// Its name.
    pub lv: String,
    /// Its filesystem; nothing if there is none on it.
    pub filesystem: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// The volume it is a snapshot of, and what it has caught.
    pub snapshot: Option<(String, Content)>,
    /// The thin pool it lives in, and the transaction id that had until it was made.
    pub thin: Option<(Name, u64)>,
    /// How much of its COW store is used, in bytes.
    pub used: u64,
    /// Whether its COW store has overflowed.
    pub overflowed: bool,
    /// Its minor number.
    pub minor: u32,
    /// Whose it is.
    pub owner: Owner,
}

/// A thin pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// Goes up with every thin volume that is made or removed, whoever does it.
    pub transaction: u64,
    /// How full it is.
    pub percent: u64,
    /// Whether somebody else has made a volume in it meanwhile.
    pub used_by_others: bool,
}

/// What the server's files held at the moment of the origin's suspend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// How much was written.
    pub writes: u64,
    /// The server's own position.
    pub position: u64,
    /// The channels.
    pub channels: Vec<Channel>,
    /// Whether our lock session held the lock.
    pub locked: bool,
    /// Whether no applier ran.
    pub still: bool,
    /// Whether InnoDB's log was written out after the last commit.
    pub logs_written: bool,
}

impl Content {
    /// What is on the disk now.
    pub(super) fn of(server: &Server) -> Self {
        Self {
            writes: server.writes,
            position: server.position,
            channels: server.channels.clone(),
            locked: server.is_locked_by_us(),
            still: server.stands_still(),
            logs_written: server.logs_written,
        }
    }
}

impl Default for Volumes {
    fn default() -> Self {
        let (all, pools, halves) = (Vec::new(), Vec::new(), Vec::new());
        Self { all, pools, halves, loaded: None, stuck: None, free: FREE, minors: 0 }
    }
}

impl Volumes {
    /// Adds a volume of others.
    pub fn add_foreign(&mut self, vg: &str, lv: &str, filesystem: &str) {
        self.add(Lv {
            vg: vg.into(),
            lv: lv.into(),
            filesystem: Some(filesystem.into()),
            size: 8 << 30,
            tags: Vec::new(),
            snapshot: None,
            thin: None,
            used: 0,
            overflowed: false,
            minor: 0,
            owner: Owner::Foreign,
        });
    }

    /// Makes a volume of others a thin one, in a pool that it shares with nobody yet.
    pub fn make_thin(&mut self, lv: usize, pool: &str) {
        let name = Name::new(&self.all[lv].vg, pool);
        self.all[lv].thin = Some((name.clone(), 0));
        self.pools.push(Pool { name, transaction: 1, percent: 40, used_by_others: false });
    }

    /// A thin volume was made in a pool, or removed from it; the transaction id before.
    pub(super) fn raise(&mut self, name: &Name) -> u64 {
        let pool = self.pools.iter_mut().find(|pool| pool.name == *name);
        let pool = pool.unwrap_or_else(|| panic!("there is no pool '{name}'"));
        pool.transaction += 1;
        pool.transaction - 1
    }

    /// The pool behind a device.
    pub(super) fn pool(&self, device: &str) -> Result<&Pool, Fault> {
        let found = self.pools.iter().find(|pool| thin::pool_device(&pool.name) == device);
        found.ok_or_else(|| Fault::refused(format!("there is no device '{device}'")))
    }

    /// Somebody else makes a volume in every pool, once.
    pub(super) fn others_in_pool(&mut self) {
        for pool in self.pools.iter_mut().filter(|pool| !pool.used_by_others) {
            (pool.transaction, pool.used_by_others) = (pool.transaction + 1, true);
        }
    }

    /// Every pool fills up, but for a little.
    pub(super) fn fill_pools(&mut self) {
        self.pools.iter_mut().for_each(|pool| pool.percent = NEARLY_FULL);
    }

    /// Whether a pool is not full yet.
    pub(super) fn can_fill(&self) -> bool {
        self.pools.iter().any(|pool| pool.percent < NEARLY_FULL)
    }

    /// Every COW store of ours fills up, but for a little.
    pub(super) fn fill_stores(&mut self) {
        for lv in self.all.iter_mut().filter(|lv| lv.can_overflow()) {
            lv.used = (lv.size * STORE_NEARLY_FULL).div_ceil(100);
        }
    }

    /// Whether a COW store of ours is not full yet.
    pub(super) fn can_fill_stores(&self) -> bool {
        self.all.iter().any(|lv| lv.can_overflow() && !lv.overflowed && lv.used == 0)
    }

    /// How full the COW store of a snapshot is.
    pub(super) fn cow(&self, device: &str) -> Result<CowFill, Fault> {
        let found = self.all.iter().find(|lv| lv.name().device() == device && lv.can_overflow());
        let none = || Fault::refused(format!("'{device}' is not a thick snapshot"));
        match found.ok_or_else(none)? {
            lv if lv.overflowed => {
                Err(Fault::refused(format!("the COW store of '{device}' is lost")))
            }
            lv => Ok(CowFill { used: Bytes(lv.used), size: Bytes(lv.size) }),
        }
    }

    /// Adds a volume and gives it a device number.
    pub(super) fn add(&mut self, lv: Lv) {
        self.all.push(Lv { minor: self.minors, ..lv });
        self.minors += 1;
    }

    /// The volume of a name, `vg/lv`.
    pub fn named(&self, name: &str) -> Option<&Lv> {
        self.all.iter().find(|lv| lv.name().to_string() == name)
    }

    /// The volume behind a device node.
    pub(super) fn at_node(&self, node: &std::path::Path) -> Option<&Lv> {
        self.all.iter().find(|lv| lv.name().node() == node)
    }

    /// Device-mapper's device of this name. What lvm makes is called after its volume.
    pub(super) fn device(&self, name: &str) -> Option<Device> {
        let of_lvm = |name: &str| format!("LVM-{name}");
        let suspended = self.stuck.as_deref() == Some(name);
        let volume = self.all.iter().any(|lv| lv.name().device() == name);
        let half = self.halves.iter().any(|half| half == name);
        (volume || half).then(|| Device { uuid: of_lvm(name), suspended })
    }

    /// The COW stores of our snapshots overflow.
    pub(super) fn overflow(&mut self) {
        for lv in self.all.iter_mut().filter(|lv| lv.can_overflow()) {
            lv.overflowed = true;
        }
    }

    /// Whether there is a snapshot of ours that is valid.
    pub(super) fn can_overflow(&self) -> bool {
        self.all.iter().any(|lv| lv.can_overflow() && !lv.overflowed)
    }

    /// What a run left, in words.
    pub(super) fn rests(&self) -> Vec<String> {
        let ours = self.all.iter().filter(|lv| lv.owner == Owner::Ours);
        let volumes = ours.map(|lv| format!("volume {}", lv.name()));
        let halves = self.halves.iter().map(|node| format!("device {node}"));
        let stuck = self.stuck.iter().map(|name| format!("device {name}, suspended"));
        let loaded = self.loaded.iter().map(|name| format!("device {name}, with a table"));
        volumes.chain(halves).chain(stuck).chain(loaded).collect()
    }

    /// What is of others.
    pub(super) fn foreign(&self) -> Vec<String> {
        let others = self.all.iter().filter(|lv| lv.owner == Owner::Foreign);
        others.map(|lv| lv.name().to_string()).collect()
    }

    /// See `World::fingerprint`.
    pub(super) fn fingerprint(&self, hash: &mut impl Hasher) {
        (&self.halves, &self.loaded, &self.stuck).hash(hash);
        self.pools.iter().for_each(|pool| {
            (pool.transaction, pool.percent, pool.used_by_others).hash(hash);
        });
        for lv in &self.all {
            (&lv.vg, &lv.lv, lv.overflowed, lv.used, lv.size, &lv.tags).hash(hash);
            let caught = lv
                .snapshot
                .as_ref()
                .map(|(_, content)| (content.locked, content.still, content.logs_written));
            caught.hash(hash);
        }
    }
}

impl Lv {
    /// Its name as lvm spells it.
    pub fn name(&self) -> Name {
        Name::new(&self.vg, &self.lv)
    }

    /// Its device number.
    pub(super) fn device(&self) -> String {
        format!("253:{}", self.minor)
    }

    fn can_overflow(&self) -> bool {
        self.owner == Owner::Ours && self.snapshot.is_some() && self.thin.is_none()
    }
}
