//! The tests that need the whole engine, in one binary: it links once.

// Tests may read clocks, files and the environment; the engine may not.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout)]

/// The sweep makes and drops small things by the billion.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod aftermath;
mod catalog;
mod cli;
mod common;
mod configured;
mod conformance;
mod faults;
mod garbage;
mod init;
mod json_lines;
mod ledgers;
mod locks;
mod monitoring;
mod order;
mod packaging;
mod pages;
mod policy;
mod restore;
mod retention;
mod room;
mod sweep;
mod tidy;
mod times;
mod verify;
mod voices;
