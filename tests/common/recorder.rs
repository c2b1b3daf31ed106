//! A decorator that writes down every act, as the log would show it.

use std::cell::RefCell;
use std::rc::Rc;

use holdstill::host::{Act, Answer, Fault, Host, Look};

/// A host whose acts are written down.
pub(crate) struct Recorder<H> {
    /// The machine below.
    pub(crate) host: H,
    /// The acts so far; shared, so that a test can write its own lines between them.
    pub(crate) acts: Rc<RefCell<Vec<String>>>,
}

impl<H: Host> Recorder<H> {
    /// Nothing is written down yet.
    pub(crate) fn new(host: H) -> Self {
        Self { host, acts: Rc::default() }
    }
}

impl<H: Host> Host for Recorder<H> {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.host.look(what)
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.acts.borrow_mut().push(what.to_string());
        self.host.act(what)
    }
}
