//! Online backups of MySQL and MariaDB from an LVM snapshot.
//!
//! The modules in reading order: what is meant ([`config`]), what is decided ([`plan`]), what is
//! done ([`run`]), what may be left behind ([`claim`], [`ledger`], [`settle`], [`recover`]), what
//! is kept ([`store`]), and the seam to the machine ([`host`]).

pub mod deadman;
pub mod host;
pub mod option_file;
pub mod units;
