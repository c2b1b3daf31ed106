//! Backups that become data directories again: by the program itself on real files, and on the
//! simulated machine with every call that goes wrong.

mod beside;
mod interrupted;
mod refused;
mod shelf;
mod whole;
