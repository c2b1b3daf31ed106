//! The shell of lvm on the simulated machine: an order goes its way while time passes, whoever
//! looks. Its one moment that counts is the origin's suspend, which catches what is on the disk.

use super::lvm;
use super::world::World;
use crate::host::{Answer, Fault, Point, Sight, Sign, Standing, Until, Watch};
use crate::snapshot::lvm::Name;
use crate::units::Millis;
use crate::wrong::{self, Wrong};

/// When an order comes to each stage, in nanoseconds after it was given.
const STAGES: [(u64, Stage); 5] = [
    (3_000_000, Stage::Near),
    (16_000_000, Stage::Freezing),
    (18_000_000, Stage::Suspended),
    (20_000_000, Stage::Past),
    (26_000_000, Stage::Ended),
];

/// What it says of an order that failed.
const WORDS: &str = "Failed to find logical volume, or to suspend it";

/// A shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shell {
    order: Option<Order>,
    /// Whether its next order is held before it suspends anything.
    holds: bool,
}

/// An order on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Order {
    origin: String,
    snapshot: String,
    /// The tag, of a thin snapshot, whose volume the order makes as well.
    tag: Option<String>,
    begun: u64,
    stage: Stage,
    /// When a look first fell into its suspend.
    seen: Option<u64>,
    /// Whether it goes on at all.
    hangs: bool,
    /// Whether it stops before the suspend.
    held: bool,
    /// Whether it has stopped there, and was let go on.
    let_go: bool,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    Begun,
    Near,
    /// The freeze with which a suspend begins, and which no look tells.
    Freezing,
    Suspended,
    Past,
    Ended,
    Failed,
}

/// What may happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// It comes to its next stage at once.
    Leap,
    /// It fails before its suspend.
    Fail,
    /// It dies before or in its suspend, and leaves devices as they are.
    Die,
    /// It stands still until the process that gave it is gone.
    Hang,
}

/// Starts a shell.
pub(super) fn open(world: &mut World) -> Result<(), Fault> {
    if world.shell.is_some() {
        return Err(Fault::refused("there is a shell of lvm already"));
    }
    world.shell = Some(Shell::default());
    Ok(())
}

/// Has the next order stop before it suspends anything.
pub(super) fn hold(world: &mut World) -> Result<(), Fault> {
    let traceable = world.traceable;
    match &mut world.shell {
        Some(shell) if traceable && shell.order.is_none() => {
            shell.holds = true;
            Ok(())
        }
        Some(_) if !traceable => Err(Fault::refused("the kernel does not let it be traced")),
        Some(_) => Err(Fault::refused("the shell of lvm has its order already")),
        None => Err(Fault::refused("there is no shell of lvm")),
    }
}

/// Lets a held order go on.
pub(super) fn let_go(world: &mut World) -> Result<(), Fault> {
    let clock = world.clock;
    let order = running_mut(world).filter(|order| order.is_held());
    let order = order.ok_or_else(|| Fault::refused("the shell of lvm is not held"))?;
    (order.held, order.let_go) = (false, true);
    order.begun = clock.saturating_sub(STAGES[0].0);
    Ok(())
}

/// Gives an order.
pub(super) fn order(world: &mut World, command: &str) -> Result<(), Fault> {
    let begun = world.clock;
    let (origin, snapshot, tag) = words(command);
    let there = |name: &String| world.volumes.named(name).is_some();
    let known = there(&origin) && there(&snapshot) == tag.is_none();
    let Some(shell) = &mut world.shell else {
        return Err(Fault::refused("there is no shell of lvm"));
    };
    // The real one does not survive a command after one that named its devices.
    if shell.order.is_some() {
        return Err(Fault::refused("the shell of lvm takes one order"));
    }
    let stage = if known { Stage::Begun } else { Stage::Failed };
    let (seen, hangs, held, let_go) = (None, false, shell.holds, false);
    shell.order = Some(Order { origin, snapshot, tag, begun, stage, seen, hangs, held, let_go });
    Ok(())
}

/// Origin and snapshot, and the tag where the snapshot is a thin one.
fn words(command: &str) -> (String, String, Option<String>) {
    let words: Vec<&str> = command.split(' ').collect();
    match *words.as_slice() {
        ["lvconvert", "--yes", "--snapshot", "--zero", "n", "--devices", _, origin, own] => {
            (origin.to_owned(), own.to_owned(), None)
        }
        [
            "lvcreate",
            "--snapshot",
            "--setactivationskip",
            "n",
            "--yes",
            "--name",
            own,
            "--addtag",
            tag,
            "--devices",
            _,
            origin,
        ] => {
            let vg = origin.split_once('/').map_or("", |(vg, _)| vg);
            (origin.to_owned(), format!("{vg}/{own}"), Some(tag.to_owned()))
        }
        _ => panic!("the simulated shell of lvm does not understand {words:?}"),
    }
}

impl Order {
    /// Whether the origin stands still.
    fn suspends(&self) -> bool {
        matches!(self.stage, Stage::Freezing | Stage::Suspended)
    }

    /// Whether it stands before its suspend until it is let go.
    fn is_held(&self) -> bool {
        self.held && self.stage == Stage::Near
    }
}

/// Lets it go, waits for the end of what it does, and ends it. One that hangs is waited for in
/// vain.
pub(super) fn close(world: &mut World, ms_max: Millis) -> Result<Answer, Fault> {
    if running(world).is_some_and(|order| order.hangs) {
        world.clock += ms_max.0 * 1_000_000;
        return Err(Fault::overdue("lvm is still running"));
    }
    finish(world);
    let order = world.shell.take().and_then(|shell| shell.order);
    let failed = order.is_some_and(|order| order.stage == Stage::Failed);
    Ok(Answer::Text(failed.then(|| WORDS.to_owned())))
}

/// Another command of lvm waits until this one is done; for one that is held in vain.
pub(super) fn wait_for(world: &mut World) -> Result<(), Fault> {
    if running(world).is_some_and(Order::is_held) {
        return Err(Fault::overdue("the volume group is locked by the shell of lvm"));
    }
    finish(world);
    Ok(())
}

/// What it does comes to its end, and so does its own end when its process has died: the kernel
/// lets go what was held.
fn finish(world: &mut World) {
    if let Some(order) = running_mut(world) {
        order.hangs = false;
        order.held = false;
    }
    while running(world).is_some() {
        step(world);
    }
}

/// The process is gone: what it does comes to its end all the same.
pub(super) fn orphan(world: &mut World) {
    finish(world);
    world.shell = None;
}

fn running(world: &World) -> Option<&Order> {
    world.shell.as_ref()?.order.as_ref().filter(|order| order.stage < Stage::Ended)
}

fn running_mut(world: &mut World) -> Option<&mut Order> {
    world.shell.as_mut()?.order.as_mut().filter(|order| order.stage < Stage::Ended)
}

/// Time has passed.
pub(super) fn go_on(world: &mut World) {
    while next_stage(world).is_some_and(|due| world.clock >= due) {
        step(world);
    }
}

/// When an order will come to its next stage, if it goes on.
fn next_stage(world: &World) -> Option<u64> {
    let order = running(world).filter(|order| !order.hangs && !order.is_held())?;
    let next = STAGES.iter().find(|(_, stage)| *stage > order.stage)?;
    Some(order.begun + next.0)
}

/// An order comes to its next stage.
fn step(world: &mut World) {
    let Some(order) = running_mut(world).filter(|order| !order.is_held()) else { return };
    let next = STAGES.iter().map(|(_, stage)| *stage).find(|stage| *stage > order.stage);
    order.stage = next.unwrap_or(Stage::Ended);
    let order = order.clone();
    let fine = match order.stage {
        Stage::Near => begin(world, &order),
        Stage::Freezing => catch(world, &order.origin, &order.snapshot),
        _ => true,
    };
    if !fine {
        fail(world);
    }
}

/// A thin snapshot's volume is in lvm's metadata before it is anything.
fn begin(world: &mut World, order: &Order) -> bool {
    let Some(tag) = &order.tag else { return true };
    let Some((vg, lv)) = order.snapshot.split_once('/') else { return false };
    let free = world.volumes.named(&order.snapshot).is_none();
    if free {
        world.volumes.add(lvm::ours(vg, lv, tag, 0));
    }
    free
}

/// The origin is suspended, and the volume that was the COW store becomes its snapshot.
fn catch(world: &mut World, origin: &str, snapshot: &str) -> bool {
    let busy = !world.frozen.is_empty() && world.machine.freezes_nest != Some(true);
    let Some(origin) = world.volumes.named(origin).cloned() else { return false };
    let volumes = &mut world.volumes.all;
    let store = volumes.iter().position(|lv| lv.name().to_string() == snapshot);
    let Some(store) = store.filter(|at| !busy && volumes[*at].snapshot.is_none()) else {
        return false;
    };
    let store = volumes.remove(store);
    lvm::take(world, origin, store);
    true
}

fn fail(world: &mut World) {
    if let Some(order) = running_mut(world) {
        order.stage = Stage::Failed;
    }
}

/// Whether the origin is suspended now.
pub(super) fn suspends(world: &World) -> bool {
    running(world).is_some_and(Order::suspends) || world.volumes.stuck.is_some()
}

/// The snapshot that lvm had not written down yet is a plain volume again.
fn release(world: &mut World) {
    let Some(name) = running(world).map(|order| order.snapshot.clone()) else { return };
    let volumes = world.volumes.all.iter_mut();
    for lv in volumes.filter(|lv| lv.name().to_string() == name) {
        lv.snapshot = None;
    }
}

/// lvm dies with the devices of a thick snapshot made, and the origin suspended or not.
fn die(world: &mut World) {
    let Some(order) = running(world) else { return };
    let origin = order.origin.split_once('/').map(|(vg, lv)| Name::new(vg, lv).device());
    let (suspends, late) = (order.suspends(), order.stage == Stage::Suspended);
    let device = |name: &str, layer: &str| {
        let (vg, lv) = name.split_once('/')?;
        Some(Name::new(vg, lv).device() + layer)
    };
    // Some versions of lvm make the store's device before the suspend, some in it.
    let store = device(&order.snapshot, "-cow").filter(|_| late);
    let made = [device(&order.origin, "-real"), store];
    world.volumes.halves.extend(made.into_iter().flatten());
    world.volumes.loaded.clone_from(&origin);
    world.volumes.stuck = origin.filter(|_| suspends);
    release(world);
    fail(world);
}

/// Whether an order has the volume group locked for certain: it is held, or at its suspend.
pub(super) fn has_the_group(world: &World) -> bool {
    let at_it = |order: &Order| order.let_go && order.stage < Stage::Past;
    running(world).is_some_and(|order| order.is_held() || at_it(order))
}

/// Whether something could happen to an order now.
pub(super) fn can(world: &World, twist: Twist) -> bool {
    running(world).is_some_and(|order| match twist {
        Twist::Leap => !order.hangs && !order.is_held(),
        Twist::Fail => order.stage < Stage::Freezing,
        Twist::Die => (Stage::Near..Stage::Past).contains(&order.stage) && order.tag.is_none(),
        Twist::Hang => !order.hangs && !order.suspends(),
    })
}

/// Something happens to an order.
pub(super) fn twist(world: &mut World, twist: Twist) {
    match twist {
        Twist::Leap => step(world),
        Twist::Fail => fail(world),
        Twist::Die => die(world),
        Twist::Hang => {
            if let Some(order) = running_mut(world) {
                order.hangs = true;
            }
        }
    }
}

/// How a volume stands.
pub(super) fn standing(world: &World, point: &Point) -> Result<Standing, Fault> {
    let lv = |device: &str| world.volumes.all.iter().find(|lv| lv.name().device() == device);
    if lv(&point.origin).is_none() {
        return Err(Fault::refused(format!("there is no device '{}'", point.origin)));
    }
    let stuck = world.volumes.stuck.as_deref() == Some(point.origin.as_str());
    let ordered = order_of(world, point);
    let suspended = stuck || ordered.is_some_and(|one| one.stage == Stage::Suspended);
    let mark = match &point.sign {
        Sign::Tables(own) => {
            let taken = lv(own).is_some_and(|lv| lv.snapshot.is_some());
            let standing = order_of(world, point).is_some_and(Order::suspends);
            u64::from(taken && !standing)
        }
        Sign::Transaction(pool) => world.volumes.pool(pool)?.transaction,
    };
    Ok(Standing { suspended, mark })
}

/// Watches until what is waited for is there, the order has ended without it, or time is up.
pub(super) fn watch(world: &mut World, watch: &Watch) -> Result<Sight, Fault> {
    let deadline = world.clock + watch.ms_max.0 * 1_000_000;
    loop {
        let standing = standing(world, &watch.point)?;
        let clock = world.clock;
        // As on the real machine: only what a look falls into is seen.
        if let Some(order) = running_mut(world).filter(|_| standing.suspended) {
            order.seen = order.seen.or(Some(clock));
        }
        let order = order_of(world, &watch.point);
        let stage = order.map_or(Stage::Failed, |order| order.stage);
        let suspended = order.and_then(|order| order.seen);
        let ours = suspended.is_some() || order.is_some_and(|order| order.let_go);
        let past = has_passed(watch, standing, stage, ours);
        let seen = match watch.until {
            Until::Held => order_of(world, &watch.point).is_some_and(Order::is_held),
            Until::Past => past,
        };
        if seen {
            return Ok(Sight { suspended, at: world.clock, mark: standing.mark });
        }
        if stage >= Stage::Ended {
            return Err(Fault::refused(WORDS));
        }
        if world.clock >= deadline {
            return Err(Fault::overdue("lvm has not come to its point in time"));
        }
        world.clock = next_stage(world).unwrap_or(deadline).clamp(world.clock, deadline);
        world.tick();
    }
}

/// As the real one tells it: a pool's id that is up counts where it is known to be ours, or when
/// the command has ended.
fn has_passed(watch: &Watch, standing: Standing, stage: Stage, ours: bool) -> bool {
    let up = standing.mark > watch.mark;
    let live = !standing.suspended;
    let trusting = wrong::design(Wrong::AnyTransaction);
    match watch.point.sign {
        Sign::Transaction(_) if !trusting => up && (stage >= Stage::Ended || live && ours),
        _ => up && live,
    }
}

/// The order for the origin of a point.
fn order_of<'a>(world: &'a World, point: &Point) -> Option<&'a Order> {
    let device = |order: &Order| {
        let (vg, lv) = order.origin.split_once('/')?;
        Some(Name::new(vg, lv).device())
    };
    let order = world.shell.as_ref()?.order.as_ref();
    order.filter(|order| device(order).as_ref() == Some(&point.origin))
}

/// See `World::fingerprint`.
pub(super) fn fingerprint(world: &World, hash: &mut impl std::hash::Hasher) {
    use std::hash::Hash as _;
    let told =
        |order: &Order| (order.stage, order.hangs, order.held, order.let_go, order.seen.is_some());
    world.shell.as_ref().map(|shell| (shell.holds, shell.order.as_ref().map(told))).hash(hash);
}
