//! The program; not written yet.

fn main() {}
