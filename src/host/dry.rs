//! A host that looks and never acts: what the audit runs on, besides having no `&mut` to act with.

use super::{Act, Answer, Fault, Host, Look};

/// Another host, all of whose acts are refused.
pub struct DryRun<H>(pub H);

impl<H: Host> Host for DryRun<H> {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.0.look(what)
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        Err(Fault::refused(format!("dry run: {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::linux::Linux;

    #[test]
    fn looks_pass_and_acts_do_not() {
        let mut dry = DryRun(Linux::new().unwrap());
        assert!(dry.look(&Look::Now).is_ok());
        let told = dry.act(&Act::Isolate).unwrap_err();
        assert_eq!(told, Fault::refused("dry run: unshare --mount"));
    }
}
