//! The seam between what holdstill decides and the machine it acts on.
//!
//! Everything that can be seen is a [`Look`], everything that can be done is an [`Act`]; both are
//! closed, so a simulated machine can stand in for the real one, call by call. Planning holds
//! `&dyn Host` and therefore cannot act: that is the whole guarantee of the audit.
//! Deliberately absent: any decision. A host does one thing and says what it knows of the result.

mod act;
mod answer;
mod ask;
mod fault;
mod look;
mod priority;
mod reading;

pub mod dry;
pub mod faulty;
pub mod jail;
#[cfg(feature = "wrong-designs")]
pub mod lab;
pub mod linux;
pub mod sim;
pub mod traced;

pub use act::{Act, Cmd, Guard, Keyed, MountOrder, Overrun, Shell, Sql, UNFINISHED};
pub use answer::{
    Answer, CowFill, Device, Entry, Exit, Kind, Link, Machine, Mount, PoolFill, Rows, Said, Sight,
    Space, Standing, Synchrony, Thaw, run_began,
};
pub use ask::Ask;
pub use fault::{Cause, Fault, NO_TLS};
pub use look::{Brim, Login, Look, Point, Reach, Secret, Session, Sign, Tls, Until, Watch};
pub use priority::{Io, Priority};
pub use reading::{Found, Moment, Pages, Reading, Readings, Sum, ToRead, Tree, Type};

/// A machine: the real one, a simulated one, or one of these behind a decorator.
pub trait Host {
    /// Looks at something and changes nothing.
    fn look(&self, what: &Look) -> Result<Answer, Fault>;

    /// Does exactly one thing.
    fn act(&mut self, what: &Act) -> Result<Answer, Fault>;
}
