//! The drill: a private server starts on a throw-away copy of a published backup, and says whether
//! it restores. It sees the copy at production's own paths, in a jail that has no network and from
//! which nothing of the machine's can be written; everything in it dies with it.
//!
//! [`plan`] looks and decides, [`story`] acts, and what one of them needs to know without looking
//! is a pure function in a file of its own. Deliberately absent: a copy of another kind than the
//! published one, and production's server, which is never asked anything here.

mod compare;
mod cover;
mod export;
mod find;
mod judge;
mod log;
mod options;
mod past;
mod place;
mod plan;
mod prepare;
#[cfg(test)]
mod prepare_tests;
mod report;
mod story;
mod table;
#[cfg(test)]
mod tests;
mod visit;

pub use export::{Export, Exported, Order as ExportOrder, TableName, export};
pub use place::{Settled, begin, settle};
pub use plan::{Drill, Way, plan};
pub use prepare::{
    Moved, Preparation, Prepared, PrivateServers, Step, Wanted, plan as plan_preparation, prepare,
};
pub use report::{Checked, Event, Report, remember};
pub use story::{Outcome, drill};
pub use table::{Seen, look as look_for_table};
