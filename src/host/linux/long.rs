//! The long command: started, listened to, and ended. There is one at most.
//!
//! It dies with this process, since every child of ours that may be ended does. Deliberately
//! absent: when it is to be ended; whoever listens decides.

use std::time::{Duration, Instant};

use super::command::{Running, quoted};
use super::said::Lines;
use super::signals::FromNow;
use crate::host::{Answer, Cmd, Exit, Fault, Priority, Said};
use crate::units::Millis;

/// The place of the long command.
#[derive(Default)]
pub(super) struct Slot(Option<Long>);

struct Long {
    name: String,
    running: Running,
    lines: Lines,
    limit: Millis,
    deadline: Instant,
}

impl Slot {
    /// Starts it.
    pub(super) fn start(&mut self, cmd: &Cmd, priority: Priority) -> Result<Answer, Fault> {
        if let Some(long) = &self.0 {
            return Err(Fault::refused(format!("{} is running", long.name)));
        }
        self.0 = Some(Long {
            name: quoted(cmd),
            running: Running::start(cmd, priority)?,
            lines: Lines::default(),
            limit: cmd.ms_max,
            deadline: Instant::now() + Duration::from(cmd.ms_max),
        });
        Ok(Answer::Done)
    }

    /// Listens to it; `\r` ends a line too, as rsync's progress does, and empty lines are left out.
    pub(super) fn hear(&mut self, ms_max: Millis, interrupt: &FromNow) -> Result<Said, Fault> {
        let until = Instant::now() + Duration::from(ms_max);
        let none = || Fault::refused("there is no long command");
        let long = self.0.as_mut().ok_or_else(none)?;
        let mut lines = Vec::new();
        loop {
            if long.has_ended(&mut lines) {
                let exit = long.exit(&mut lines);
                self.0 = None;
                return Ok(Said { lines, exit: Some(exit) });
            }
            if Instant::now() >= long.deadline {
                let (name, limit) = (&long.name, long.limit);
                return Err(Fault::unsure(format!("{name}: not done within {limit}")));
            }
            if Instant::now() >= until || interrupt.came().is_some() {
                return Ok(Said { lines, exit: None });
            }
        }
    }

    /// Ends it.
    pub(super) fn end(&mut self) -> Result<Answer, Fault> {
        self.0.take().map_or(Ok(()), |long| long.running.end()).map(|()| Answer::Done)
    }
}

impl Long {
    /// Takes what it says within a tick; whether it has ended.
    fn has_ended(&mut self, heard: &mut Vec<String>) -> bool {
        let (lines, each) = (&mut self.lines, &mut |line: &str| heard.push(line.to_owned()));
        self.running.pump(&mut |bytes| lines.push(bytes, each));
        self.running.ended().is_some()
    }

    /// The rest of what it said, and how it ended.
    fn exit(&mut self, heard: &mut Vec<String>) -> Exit {
        let (lines, each) = (&mut self.lines, &mut |line: &str| heard.push(line.to_owned()));
        self.running.drain(&mut |bytes| lines.push(bytes, each));
        lines.end(each);
        let code = self.running.ended().and_then(|status| status.code());
        Exit { code, stderr: self.running.last_words() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::signals::Signals;
    use super::*;
    use crate::host::{Io, Overrun};

    const LONG: Millis = Millis(60_000);

    fn started(script: &str, ms_max: Millis) -> Slot {
        let args = vec!["-c".into(), script.into()];
        let mut slot = Slot::default();
        let cmd = Cmd { program: "/bin/sh".into(), args, ms_max, overrun: Overrun::End };
        slot.start(&cmd, Priority::default()).unwrap();
        slot
    }

    fn hear(slot: &mut Slot, ms_max: u64) -> Result<Said, Fault> {
        slot.hear(Millis(ms_max), &Signals::of_test(Arc::default()).since_now())
    }

    #[test]
    fn lines_end_with_either_return_and_the_end_comes_with_the_last_ones() {
        let mut slot = started(r"printf 'a\rb\r\n\nlast'; echo no >&2; exit 23", LONG);
        let said = hear(&mut slot, 60_000).unwrap();
        assert_eq!(said.lines, ["a", "b", "last"]);
        assert_eq!(said.exit, Some(Exit { code: Some(23), stderr: "no".into() }));
        assert!(matches!(hear(&mut slot, 1), Err(Fault::Refused(_))), "there is none any more");
    }

    #[test]
    fn it_is_listened_to_again_and_again_and_ended_with_its_children() {
        let mut slot = started("echo one; sleep 600 & wait", LONG);
        let mut said = hear(&mut slot, 10).unwrap();
        while said.lines.is_empty() {
            said = hear(&mut slot, 10).unwrap();
        }
        assert_eq!(said, Said { lines: vec!["one".into()], exit: None });
        assert_eq!(hear(&mut slot, 10).unwrap(), Said::default());
        let one = Cmd { program: "/bin/true".into(), args: vec![], ..command() };
        assert!(
            matches!(slot.start(&one, Priority::default()), Err(Fault::Refused(_))),
            "one at a time"
        );
        slot.end().unwrap();
        slot.end().unwrap();
        slot.start(&one, Priority::default()).unwrap();
    }

    #[test]
    fn it_stands_back_as_it_was_told() {
        let script = "nice; ionice; sleep 0.1 & wait";
        let args = vec!["-c".into(), script.into()];
        let io = Some(Io::BestEffort(6));
        for (priority, told) in [
            (Priority { nice: Some(11), io: Some(Io::Idle) }, ["11", "idle"]),
            (Priority { nice: Some(12), io }, ["12", "best-effort: prio 6"]),
        ] {
            let mut slot = Slot::default();
            let cmd = Cmd { program: "/bin/sh".into(), args: args.clone(), ..command() };
            slot.start(&cmd, priority).unwrap();
            assert_eq!(hear(&mut slot, 60_000).unwrap().lines, told);
        }
    }

    fn command() -> Cmd {
        Cmd { program: "".into(), args: Vec::new(), ms_max: LONG, overrun: Overrun::End }
    }

    #[test]
    fn past_its_deadline_it_is_told_and_goes_on() {
        let mut slot = started("sleep 600", Millis(50));
        let told = hear(&mut slot, 60_000).unwrap_err();
        assert_eq!(told, Fault::unsure("'sh': not done within 50 ms"));
        assert_eq!(hear(&mut slot, 1).unwrap_err(), told);
        slot.end().unwrap();
    }

    #[test]
    fn a_signal_ends_the_listening() {
        let flag = Arc::new(AtomicUsize::new(0));
        let interrupt = Signals::of_test(Arc::clone(&flag)).since_now();
        flag.store(15, Ordering::SeqCst);
        let mut slot = started("sleep 600", LONG);
        assert_eq!(slot.hear(LONG, &interrupt).unwrap(), Said::default());
        slot.end().unwrap();
    }
}
