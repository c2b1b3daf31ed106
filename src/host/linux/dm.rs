//! How device-mapper's devices stand: asked of the kernel by ioctl, since a program would take
//! longer to start than the moment lasts that is looked for.
//!
//! The control node is opened once, before any window, and every look uses the same buffer.
//! Deliberately absent: any change of a device; that is lvm's alone.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use super::kernel::{self, DM_CALL_BYTES, DmCall};
use crate::host::{self, CowFill, Fault, Point, PoolFill, Sign, Standing};
use crate::units::Bytes;

/// Where device-mapper is asked (linux/dm-ioctl.h: `DM_DIR` and `DM_CONTROL_NODE`).
const CONTROL: &str = "/dev/mapper/control";

/// The version of the interface that is spoken; every kernel since 2.6 answers to it.
const VERSION: [u32; 3] = [4, 0, 0];

// linux/dm-ioctl.h, `struct dm_ioctl`: where its fields begin, and its whole length.
const AT_DATA_START: usize = 16;
const AT_TARGET_COUNT: usize = 20;
pub(super) const AT_FLAGS: usize = 28;
const AT_NAME: usize = 48;
const NAME_BYTES: usize = 128;
const AT_UUID: usize = 176;
const UUID_BYTES: usize = 129;
const HEADER_BYTES: u32 = 312;

// The same file, `struct dm_target_spec`: the target's type, and the text behind the structure.
const AT_TYPE: usize = 24;
const TYPE_BYTES: usize = 16;
const SPEC_BYTES: usize = 40;

/// The device is suspended, or is to be.
pub(super) const SUSPENDED: u32 = 1 << 1;
/// It has a live table.
const ACTIVE: u32 = 1 << 5;
/// The answer did not fit.
const BUFFER_FULL: u32 = 1 << 8;
/// The look must not make a pool write its metadata.
const NO_FLUSH: u32 = 1 << 11;

/// The kernel's device-mapper.
#[derive(Default)]
pub(super) struct DeviceMapper {
    control: Option<File>,
    call: DmCall,
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Device<'a> {
    suspended: bool,
    /// The only target of its live table; nothing if it has none, or several.
    target: Option<Target<'a>>,
}

/// A target of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target<'a> {
    kind: &'a str,
    status: &'a str,
}

impl DeviceMapper {
    /// Opens the control node, so that a later look opens nothing.
    pub(super) fn open(&mut self) -> Result<(), Fault> {
        if self.control.is_none() {
            let opened = OpenOptions::new().read(true).write(true).open(CONTROL);
            let cannot = |error| Fault::refused(format!("cannot open '{CONTROL}': {error}"));
            self.control = Some(opened.map_err(cannot)?);
        }
        Ok(())
    }

    /// How a volume stands.
    ///
    /// These are several looks, and things change between them. The mark comes first and never
    /// goes back, so it still holds at the last look, the only one that tells whether the origin
    /// is suspended. It has to be a look of its own: within one answer the kernel reads the flags
    /// before the table (`table_status` in dm-ioctl.c), so flags from before the suspend could
    /// stand beside a table from after it. A mark that is up, and then an origin that is live, are
    /// together true of the moment of the last look.
    pub(super) fn standing(&mut self, point: &Point) -> Result<Standing, Fault> {
        let mark = match &point.sign {
            Sign::Tables(own) => u64::from(self.has_snapshot(own)? && self.has_origin(point)?),
            Sign::Transaction(pool) => transaction(pool, self.look(pool)?)?,
        };
        let Device { suspended, .. } = there(&point.origin, self.look(&point.origin)?)?;
        Ok(Standing { suspended, mark })
    }

    /// The device of this name. Without device-mapper there is none.
    pub(super) fn device(&mut self, name: &str) -> Result<Option<host::Device>, Fault> {
        if self.control.is_none() && !Path::new(CONTROL).exists() {
            return Ok(None);
        }
        let Some(Device { suspended, .. }) = self.look(name)? else { return Ok(None) };
        let uuid = text(&self.call.0[AT_UUID..AT_UUID + UUID_BYTES]).unwrap_or_default().to_owned();
        Ok(Some(host::Device { uuid, suspended }))
    }

    /// How full a pool is.
    pub(super) fn pool(&mut self, pool: &str) -> Result<PoolFill, Fault> {
        let status = pool_status(pool, self.look(pool)?)?;
        pool_fill(status).ok_or_else(|| {
            Fault::refused(format!(
                "the thin pool '{pool}' takes no writes: its status is '{status}'"
            ))
        })
    }

    /// How full the COW store of a snapshot is.
    pub(super) fn cow(&mut self, snapshot: &str) -> Result<CowFill, Fault> {
        let target = there(snapshot, self.look(snapshot)?)?.target;
        let target = target
            .filter(|target| target.kind == "snapshot")
            .ok_or_else(|| Fault::refused(format!("'{snapshot}' is not a thick snapshot")))?;
        cow_fill(target.status).ok_or_else(|| {
            let status = target.status;
            let why = format!("the COW store of '{snapshot}' is lost: its status is '{status}'");
            Fault::refused(why)
        })
    }

    /// Whether our own volume is a live snapshot. It may be gone for a while: lvm takes the store's
    /// device away and makes the snapshot's under the same name.
    fn has_snapshot(&mut self, own: &str) -> Result<bool, Fault> {
        let device = self.look(own)?;
        Ok(device.is_some_and(|one| !one.suspended && one.kind() == Some("snapshot")))
    }

    fn has_origin(&mut self, point: &Point) -> Result<bool, Fault> {
        let device = there(&point.origin, self.look(&point.origin)?)?;
        Ok(device.kind() == Some("snapshot-origin"))
    }

    /// Looks at one device; nothing if there is none of that name.
    fn look(&mut self, name: &str) -> Result<Option<Device<'_>>, Fault> {
        self.open()?;
        let cannot =
            |why: &str| Fault::refused(format!("cannot look at the device '{name}': {why}"));
        if !question(&mut self.call.0, name) {
            return Err(cannot("no device has such a name"));
        }
        let control = self.control.as_ref().ok_or_else(|| cannot("nothing to ask it of"))?;
        match kernel::dm_table_status(control.as_fd(), &mut self.call) {
            Ok(()) => read(&self.call.0).map(Some).ok_or_else(|| cannot("the answer is no answer")),
            Err(Errno::ENXIO) => Ok(None),
            Err(errno) => Err(cannot(&errno.to_string())),
        }
    }
}

impl Device<'_> {
    fn kind(&self) -> Option<&str> {
        self.target.map(|target| target.kind)
    }
}

fn there<'a>(name: &str, device: Option<Device<'a>>) -> Result<Device<'a>, Fault> {
    device.ok_or_else(|| Fault::refused(format!("there is no device '{name}'")))
}

fn pool_status<'a>(pool: &str, device: Option<Device<'a>>) -> Result<&'a str, Fault> {
    let target = there(pool, device)?.target.filter(|target| target.kind == "thin-pool");
    target
        .map(|target| target.status)
        .ok_or_else(|| Fault::refused(format!("'{pool}' is not a thin pool")))
}

/// What a snapshot's status says of its COW store: used and all sectors, and behind them those of
/// the kernel's own notes; `Invalid` or `Overflow` if it is lost (`snapshot_status` in dm-snap.c).
fn cow_fill(status: &str) -> Option<CowFill> {
    let (used, rest) = status.split_once('/')?;
    let bytes = |sectors: &str| Some(Bytes(sectors.parse::<u64>().ok()?.checked_mul(512)?));
    Some(CowFill { used: bytes(used)?, size: bytes(rest.split(' ').next()?)? })
}

/// What a pool's status says of its fill: used and all blocks of metadata, then of data; nothing if
/// the fifth word does not say that it takes writes, or the eighth that it needs a check.
fn pool_fill(status: &str) -> Option<PoolFill> {
    let words: Vec<&str> = status.split(' ').collect();
    let percent = |at: usize| {
        let (used, all) = words.get(at)?.split_once('/')?;
        let (used, all) = (used.parse::<u64>().ok()?, all.parse::<u64>().ok()?);
        used.checked_mul(100)?.checked_div(all)
    };
    let sound = words.get(4) == Some(&"rw") && !words.contains(&"needs_check");
    let found = PoolFill { metadata_percent: percent(1)?, data_percent: percent(2)? };
    sound.then_some(found)
}

/// A pool's transaction id: the first word of its status
/// (Documentation/admin-guide/device-mapper/thin-provisioning.rst).
fn transaction(pool: &str, device: Option<Device<'_>>) -> Result<u64, Fault> {
    let told = pool_status(pool, device)?;
    let word = told.split(' ').next().unwrap_or_default();
    word.parse().map_err(|_| {
        Fault::refused(format!("expected the transaction id of '{pool}', its status is '{told}'"))
    })
}

/// Writes the question about a device; false if no device can have that name.
fn question(call: &mut [u8], name: &str) -> bool {
    // The name is followed by a zero, which the field must have room for.
    if name.is_empty() || name.len() >= NAME_BYTES || name.contains('\0') {
        return false;
    }
    call[..HEADER_BYTES as usize].fill(0);
    for (at, number) in VERSION.iter().enumerate() {
        put(call, at * 4, *number);
    }
    put(call, AT_DATA_START, HEADER_BYTES);
    put(call, AT_FLAGS, NO_FLUSH);
    call[AT_NAME..AT_NAME + name.len()].copy_from_slice(name.as_bytes());
    true
}

fn put(call: &mut [u8], at: usize, number: u32) {
    call[at..at + 4].copy_from_slice(&number.to_ne_bytes());
}

fn number(call: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(call.get(at..at + 4)?.try_into().ok()?))
}

/// Reads the answer; nothing if it is not whole.
fn read(call: &[u8]) -> Option<Device<'_>> {
    let flags = number(call, AT_FLAGS)?;
    let alone = number(call, AT_TARGET_COUNT)? == 1 && flags & ACTIVE != 0;
    let target = if alone && flags & BUFFER_FULL == 0 {
        Some(target(call.get(number(call, AT_DATA_START)? as usize..)?)?)
    } else {
        None
    };
    Some(Device { suspended: flags & SUSPENDED != 0, target })
}

fn target(spec: &[u8]) -> Option<Target<'_>> {
    let kind = text(spec.get(AT_TYPE..AT_TYPE + TYPE_BYTES)?)?;
    Some(Target { kind, status: text(spec.get(SPEC_BYTES..)?)? })
}

/// A text that ends with a zero, or with the field.
fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).ok()
}

const _: () = assert!(DM_CALL_BYTES as usize > HEADER_BYTES as usize + SPEC_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as the kernel writes it.
    fn answer(flags: u32, targets: &[(&str, &str)]) -> Vec<u8> {
        let mut call = vec![0xee; DM_CALL_BYTES as usize];
        assert!(question(&mut call, "lab-origin"));
        put(&mut call, AT_FLAGS, flags);
        put(&mut call, AT_TARGET_COUNT, u32::try_from(targets.len()).unwrap());
        let mut at = HEADER_BYTES as usize;
        for (kind, status) in targets {
            call[at + AT_TYPE..at + SPEC_BYTES].fill(0);
            call[at + AT_TYPE..at + AT_TYPE + kind.len()].copy_from_slice(kind.as_bytes());
            at += SPEC_BYTES;
            call[at..at + status.len()].copy_from_slice(status.as_bytes());
            call[at + status.len()] = 0;
            at += (status.len() + 8) & !7;
        }
        call
    }

    fn device(flags: u32, targets: &[(&str, &str)]) -> (bool, Option<(String, String)>) {
        let call = answer(flags, targets);
        let Device { suspended, target, .. } = read(&call).unwrap();
        (suspended, target.map(|one| (one.kind.to_owned(), one.status.to_owned())))
    }

    fn only(kind: &str, status: &str) -> (String, String) {
        (kind.into(), status.into())
    }

    #[test]
    fn a_device_is_read() {
        let origin = [("snapshot-origin", "")];
        assert_eq!(device(ACTIVE, &origin), (false, Some(only("snapshot-origin", ""))));
        assert_eq!(device(ACTIVE | SUSPENDED, &origin), (true, Some(only("snapshot-origin", ""))));
        let snapshot = [("snapshot", "24/32768 16")];
        assert_eq!(device(ACTIVE, &snapshot), (false, Some(only("snapshot", "24/32768 16"))));
    }

    #[test]
    fn a_table_that_is_not_live_or_has_several_targets_says_nothing() {
        assert_eq!(device(ACTIVE, &[("linear", ""), ("linear", "")]), (false, None));
        assert_eq!(device(0, &[("snapshot", "")]), (false, None));
        assert_eq!(device(SUSPENDED, &[]), (true, None));
        assert_eq!(device(ACTIVE | BUFFER_FULL, &[("snapshot", "")]), (false, None));
    }

    #[test]
    fn a_cut_answer_is_none() {
        let whole = answer(ACTIVE, &[("snapshot", "24/32768 16")]);
        let end = HEADER_BYTES as usize + SPEC_BYTES;
        assert!((0..end).all(|cut| read(&whole[..cut]).is_none()));
        assert!(read(&whole[..end]).is_some(), "the text may be empty");
    }

    #[test]
    fn a_question_has_the_version_the_name_and_asks_for_no_flush() {
        let mut call = vec![0xee; DM_CALL_BYTES as usize];
        assert!(question(&mut call, "lab-o"));
        assert_eq!(call[..12], [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(number(&call, AT_FLAGS), Some(NO_FLUSH));
        assert_eq!(text(&call[AT_NAME..AT_NAME + NAME_BYTES]), Some("lab-o"));
        assert!(question(&mut call, &"x".repeat(NAME_BYTES - 1)));
        assert!(!question(&mut call, &"x".repeat(NAME_BYTES)));
        assert!(!question(&mut call, "") && !question(&mut call, "a\0b"));
    }

    #[test]
    fn a_pools_fill_is_read_while_it_takes_writes() {
        // As Linux 6.1 writes it.
        let sound = "1 117/1024 864/1024 - rw discard_passdown queue_if_no_space - 256 ";
        assert_eq!(pool_fill(sound), Some(PoolFill { data_percent: 84, metadata_percent: 11 }));
        for (from, to) in [
            ("rw", "out_of_data_space"),
            ("rw", "ro"),
            ("space -", "space needs_check"),
            ("864/1024", "864/0"),
            ("117/1024", "117"),
        ] {
            assert_eq!(pool_fill(&sound.replace(from, to)), None, "{to}");
        }
        assert_eq!(pool_fill("Fail"), None);
    }

    #[test]
    fn a_stores_fill_is_read_while_it_is_valid() {
        let found = cow_fill("24/32768 16").unwrap();
        assert_eq!(found, CowFill { used: Bytes(24 * 512), size: Bytes(32768 * 512) });
        for lost in ["Invalid", "Overflow", "Merge failed", "Unknown", "", "24/", "/24", "a/b 1"] {
            assert_eq!(cow_fill(lost), None, "{lost}");
        }
    }

    #[test]
    fn the_transaction_id_is_the_first_word_of_a_pools_status() {
        let told = |kind, status| {
            let target = Some(Target { kind, status });
            transaction("lab-pool", Some(Device { suspended: false, target }))
        };
        assert_eq!(told("thin-pool", "17 141/1024 0/8192 - rw no_discard_passdown"), Ok(17));
        let failed = told("thin-pool", "Fail").unwrap_err().to_string();
        assert!(failed.ends_with("its status is 'Fail'"), "{failed}");
        assert!(told("linear", "17").is_err());
        assert!(transaction("lab-pool", None).is_err());
    }
}
