//! A decorator that writes down every act, as the log would show it.

use std::sync::{Arc, Mutex};

use holdstill::host::{Act, Answer, Fault, Host, Look};

/// What was written down. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Acts(Arc<Mutex<Vec<String>>>);

impl Acts {
    /// One more line.
    pub(crate) fn push(&self, line: impl Into<String>) {
        self.0.lock().expect("nobody panicked").push(line.into());
    }

    /// All lines; from now on there are none.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("nobody panicked"))
    }
}

/// A host whose acts are written down.
pub(crate) struct Recorder<H> {
    /// The machine below.
    pub(crate) host: H,
    /// The acts so far; shared, so that a test can write its own lines between them.
    pub(crate) acts: Acts,
}

impl<H: Host> Recorder<H> {
    /// Nothing is written down yet.
    pub(crate) fn new(host: H) -> Self {
        Self { host, acts: Acts::default() }
    }
}

impl<H: Host> Host for Recorder<H> {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.host.look(what)
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.acts.push(what.to_string());
        self.host.act(what)
    }
}
