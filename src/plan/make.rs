//! Making the plan.

use super::{Plan, Refusal};
use crate::host::Host;

/// Looks at everything a backup depends on.
pub fn plan(
    _host: &dyn Host,
    _config: &crate::config::Config,
    _login: &crate::host::Login,
) -> Result<Plan, Refusal> {
    Err(Refusal::new("cannot plan yet", "Wait."))
}
