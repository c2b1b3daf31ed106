//! The tests that need the whole engine, in one binary: it links once.

mod common;
mod conformance;
mod order;
mod sweep;
mod tidy;
