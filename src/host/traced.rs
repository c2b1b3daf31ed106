//! A host that tells a listener what was done, how it went and how long it took.
//!
//! Between `Arm` and `Disarm` it only remembers: a filesystem may be frozen, and a line that is
//! written to it would wait for the thaw that comes after it. Deliberately absent: what a line
//! looks like and where it goes.

use super::{Act, Answer, Ask, Fault, Host, Look};

/// How many events of one window are remembered without asking for memory.
const WINDOW_EVENTS: usize = 256;

/// One thing done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub what: Act,
    /// How it went.
    pub outcome: Result<(), Fault>,
    /// How long it took, in nanoseconds of the host's clock.
    pub nanos: u64,
}

/// Another host, whose acts are told to a listener.
pub struct Traced<H: Host> {
    /// Ends before the teller does: an end that thaws must not wait for a line to be written.
    inner: H,
    teller: Teller,
}

/// Tells events, or remembers them while the window is open.
struct Teller {
    listener: Box<dyn FnMut(&Event)>,
    /// The events of the open window, if one is.
    held: Option<Vec<Event>>,
    /// Where they are remembered, made beforehand.
    spare: Vec<Event>,
}

impl<H: Host> Traced<H> {
    /// Tells a host's acts to a listener.
    pub fn new(inner: H, listener: impl FnMut(&Event) + 'static) -> Self {
        let spare = Vec::with_capacity(WINDOW_EVENTS);
        Self { inner, teller: Teller { listener: Box::new(listener), held: None, spare } }
    }

    fn now(&self) -> u64 {
        self.inner.now().unwrap_or_default()
    }

    fn tell(&mut self, what: Act, began: u64, outcome: Result<(), Fault>) {
        let nanos = self.now().saturating_sub(began);
        self.teller.tell(Event { what, outcome, nanos });
    }
}

impl Teller {
    fn tell(&mut self, event: Event) {
        match &mut self.held {
            Some(held) => held.push(event),
            None => (self.listener)(&event),
        }
    }

    fn window_opens(&mut self) {
        let spare = std::mem::take(&mut self.spare);
        self.held.get_or_insert(spare);
    }

    fn window_closes(&mut self) {
        let mut held = self.held.take().unwrap_or_default();
        for event in held.drain(..) {
            (self.listener)(&event);
        }
        self.spare = held;
    }
}

impl<H: Host> Host for Traced<H> {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        let found = self.inner.look(what);
        if self.teller.held.is_none() {
            tracing::trace!(look = %what, ok = found.is_ok());
        }
        found
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        if matches!(what, Act::Arm(_)) {
            self.teller.window_opens();
        }
        let began = self.now();
        let outcome = self.inner.act(what);
        self.tell(what.clone(), began, outcome.as_ref().map(drop).map_err(Clone::clone));
        if *what == Act::Disarm {
            self.teller.window_closes();
        }
        outcome
    }
}

impl Drop for Teller {
    /// What was remembered is told even if nobody closed the window.
    fn drop(&mut self) {
        self.window_closes();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::units::Millis;

    /// A host that does as it is told, except that it cannot isolate.
    struct Willing;

    impl Host for Willing {
        fn look(&self, _what: &Look) -> Result<Answer, Fault> {
            Ok(Answer::Nanos(7))
        }

        fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
            if *what == Act::Isolate { Err(Fault::refused("no")) } else { Ok(Answer::Done) }
        }
    }

    type Told = Rc<RefCell<Vec<String>>>;

    fn traced() -> (Traced<Willing>, Told) {
        let told = Told::default();
        let lines = Rc::clone(&told);
        let listener = move |event: &Event| {
            let end = event.outcome.as_ref().map_or_else(ToString::to_string, |()| "done".into());
            lines.borrow_mut().push(format!("{}: {end}", event.what));
        };
        (Traced::new(Willing, listener), told)
    }

    #[test]
    fn each_act_is_told_with_its_outcome() {
        let (mut host, told) = traced();
        host.act(&Act::MakeDir("/a".into())).unwrap();
        host.act(&Act::Isolate).unwrap_err();
        let wanted = ["mkdir --parents /a: done", "unshare --mount: no"];
        assert_eq!(*told.borrow(), wanted);
    }

    #[test]
    fn nothing_is_told_while_the_window_is_open() {
        let (mut host, told) = traced();
        host.act(&Act::Arm(Millis(1))).unwrap();
        host.act(&Act::Thaw("/a".into())).unwrap();
        assert!(told.borrow().is_empty());
        host.act(&Act::Disarm).unwrap();
        assert_eq!(told.borrow().len(), 3);
        host.act(&Act::Arm(Millis(1))).unwrap();
        assert_eq!(told.borrow().len(), 3);
        drop(host);
        assert_eq!(told.borrow().len(), 4);
    }
}
