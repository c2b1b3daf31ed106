//! A long command from its start to its end: what it says is handed on, a signal is heeded, and
//! whatever ends the listening ends the command.

use super::{Site, Work};
use crate::host::{Act, Ask, Cmd, Exit, Fault};
use crate::units::Millis;

/// How long it is listened to before everything else is looked at again.
const LISTEN: Millis = Millis(500);

/// Runs it.
pub(super) fn run(
    site: &Site,
    work: &mut Work<'_>,
    cmd: Cmd,
    each: &mut dyn FnMut(&mut Work<'_>, &str),
) -> Result<Exit, Fault> {
    work.host.act(&Act::Start { cmd, priority: site.priority })?;
    let heard = listen(work, each);
    match &heard {
        Ok(_) => heard,
        Err(fault) => match work.host.act(&Act::End) {
            Ok(_) => heard,
            Err(still) => Err(still.during(&fault.to_string())),
        },
    }
}

fn listen(work: &mut Work<'_>, each: &mut dyn FnMut(&mut Work<'_>, &str)) -> Result<Exit, Fault> {
    loop {
        let said = work.host.hear(LISTEN)?;
        for line in &said.lines {
            each(work, line);
        }
        if let Some(exit) = said.exit {
            return Ok(exit);
        }
        work.host.heed_signal()?;
    }
}
