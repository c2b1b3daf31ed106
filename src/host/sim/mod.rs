//! A machine in memory, at the same low level as the real one: a server with its sessions, volumes,
//! mounts, files, frozen filesystems, a dead-man and a clock. The real engine runs on it unchanged.
//!
//! It does what kernel, lvm and server would do, and it watches: every act is held against the
//! [`Rule`]s, and what breaks one is written down. Commands and statements are taken strictly; one
//! it does not know is a bug of the test or of the plan, and panics.
//! Deliberately absent: faults. They are [`super::faulty`]'s.

mod effect;
mod files;
mod long;
mod lvm;
mod reading;
mod replication;
mod report;
mod rules;
mod server;
mod shell;
mod sight;
mod statements;
mod volumes;
mod world;

use std::cell::{Ref, RefCell, RefMut};

pub use files::{Files, Node, Owner};
pub use reading::UnderWay;
pub use rules::{Breach, Rule};
pub use server::{Channel, Server};
pub use shell::Twist;
pub use statements::Running;
pub use volumes::{Content, Lv, Pool, Volumes};
pub use world::{DeadMan, Event, Mounted, World};

use super::faulty::Fragile;
use super::{Act, Answer, Fault, Host, Look};

/// The machine. One process at a time runs on it; [`Sim::end_process`] ends that process and the
/// next call is made by a fresh one.
#[derive(Clone, Debug)]
pub struct Sim {
    world: RefCell<World>,
}

impl Sim {
    /// A machine with this world in it.
    pub fn new(world: World) -> Self {
        Self { world: RefCell::new(world) }
    }

    /// The world, to be looked at.
    pub fn world(&self) -> Ref<'_, World> {
        self.world.borrow()
    }

    /// The world, to be arranged by a test.
    pub fn arrange(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }

    /// The process ends, by `exit` or `SIGKILL`: to the kernel it is the same.
    pub fn end_process(&self) {
        self.arrange().end_process();
    }

    /// The power fails and the machine boots again.
    pub fn power_loss(&self) {
        self.arrange().power_loss();
    }
}

impl Host for Sim {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        let mut world = self.arrange();
        world.tick();
        rules::looked(&mut world, what);
        sight::look(&mut world, what)
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.order(what);
        self.land(what)
    }
}

impl Fragile for Sim {
    fn order(&self, act: &Act) {
        let mut world = self.arrange();
        world.tick();
        rules::ordered(&mut world, act);
    }

    fn land(&self, act: &Act) -> Result<Answer, Fault> {
        effect::act(&mut self.arrange(), act)
    }

    fn land_late(&self, act: &Act) {
        let mut world = self.arrange();
        let _nobody_waits_for_it = match act {
            Act::Sql(sql) => world.server.execute_late(sql),
            _ => effect::act(&mut world, act).map(drop),
        };
    }

    fn land_half(&self, act: &Act) {
        effect::half(&mut self.arrange(), act);
    }

    fn is_possible(&self, event: Event) -> bool {
        self.world().is_possible(event)
    }

    fn happen(&self, event: Event) {
        self.arrange().happen(event);
    }

    fn fingerprint(&self) -> u64 {
        self.world().fingerprint()
    }

    fn end(&self, loss: bool) {
        if loss { self.power_loss() } else { self.end_process() }
    }
}
