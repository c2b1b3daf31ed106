//! Making the plan.

use super::{Plan, Refusal};
use crate::host::Host;

/// Looks at everything a backup depends on.
pub fn plan(_host: &dyn Host) -> Result<Plan, Refusal> {
    Err(Refusal::new("cannot plan yet", "Wait."))
}
