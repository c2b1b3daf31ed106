//! What lvm reports: logical volumes and volume groups, read from its JSON.
//!
//! Sizes are asked for in bytes (`--units b --nosuffix`); a field that is missing is an error with
//! both sides, never a guess.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::host::{Cmd, Overrun};
use crate::units::{Bytes, Millis};

/// How long a report may take: it scans every device.
const REPORT_MS_MAX: Millis = Millis(60_000);

/// How long the report of one group may take, where its answer is wanted soon.
const GROUP_MS_MAX: Millis = Millis(10_000);

/// The columns of a volume report, as lvs(8) spells them.
const LV_FIELDS: &str = "vg_name,lv_name,lv_attr,lv_size,origin,lv_tags,lv_kernel_major,\
                         lv_kernel_minor,snap_percent,pool_lv,data_percent,metadata_percent,\
                         transaction_id";

/// The columns of a group report.
const VG_FIELDS: &str = "vg_name,vg_free,vg_extent_size";

/// The columns of a report of physical volumes.
const PV_FIELDS: &str = "pv_name,vg_name";

/// The name of a logical volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    vg: String,
    lv: String,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Its name.
    pub name: Name,
    /// Its attributes, as lvs(8) explains them.
    pub attr: String,
    /// Its size.
    pub size: Bytes,
    /// The volume it is a snapshot of.
    pub origin: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its device number while it is active, as `major:minor`.
    pub device: String,
    /// How full a thick snapshot's COW store is.
    pub fill_percent: Option<f64>,
    /// The pool it lives in.
    pub pool: Option<String>,
    /// Of a thin pool: how full its data and its metadata are.
    pub pool_percent: Option<(f64, f64)>,
    /// Of a thin volume: the transaction id that its pool had until it was made.
    pub transaction: Option<u64>,
}

/// A volume group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What is not yet allocated.
    pub free: Bytes,
    /// The unit of allocation.
    pub extent: Bytes,
}

/// The command that reports every volume.
pub fn report(lvs: PathBuf) -> Cmd {
    reporting(lvs, LV_FIELDS)
}

/// The same report for somebody who only asks: without lvm's locks and its hints, which are files
/// that it makes. What others change at that moment may make it fail, or be told by halves.
#[must_use]
pub fn only_asked(report: Cmd) -> Cmd {
    report.arg("--nolocking").arg("--config").arg("devices/hints=\"none\"")
}

/// The command that reports every group.
pub fn report_groups(vgs: PathBuf) -> Cmd {
    reporting(vgs, VG_FIELDS)
}

/// The command that reports one group, while somebody waits for it.
pub fn report_group(vgs: PathBuf, group: &str) -> Cmd {
    Cmd { ms_max: GROUP_MS_MAX, ..report_groups(vgs).arg(group) }
}

/// The command that reports every physical volume.
pub fn report_devices(pvs: PathBuf) -> Cmd {
    reporting(pvs, PV_FIELDS)
}

fn reporting(program: PathBuf, fields: &str) -> Cmd {
    let args = ["--reportformat", "json", "--units", "b", "--nosuffix", "--options", fields];
    Cmd {
        program,
        args: args.map(String::from).to_vec(),
        ms_max: REPORT_MS_MAX,
        overrun: Overrun::LeaveAlone,
    }
}

/// Reads a report of volumes. `json` and `json_std` both fit.
pub fn volumes(text: &str) -> Result<Vec<Volume>, String> {
    #[derive(Deserialize)]
    struct Section {
        lv: Vec<Row>,
    }
    sections::<Section>(text)?.into_iter().flat_map(|one| one.lv).map(Row::volume).collect()
}

/// Reads a report of groups.
pub fn groups(text: &str) -> Result<Vec<Group>, String> {
    #[derive(Deserialize)]
    struct Section {
        vg: Vec<Row>,
    }
    sections::<Section>(text)?.into_iter().flat_map(|one| one.vg).map(Row::group).collect()
}

/// Reads a report of physical volumes: the devices of a group.
pub fn devices(text: &str, vg: &str) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Section {
        pv: Vec<Row>,
    }
    let mut devices = Vec::new();
    for row in sections::<Section>(text)?.into_iter().flat_map(|one| one.pv) {
        if row.text("vg_name")? == vg {
            devices.push(row.text("pv_name")?);
        }
    }
    Ok(devices)
}

/// One row: every value as text, as the plain JSON format has it.
#[derive(Deserialize)]
struct Row(std::collections::BTreeMap<String, serde_json::Value>);

fn sections<'a, S: Deserialize<'a>>(text: &'a str) -> Result<Vec<S>, String> {
    #[derive(Deserialize)]
    struct Report<S> {
        report: Vec<S>,
    }
    let parsed: Result<Report<S>, _> = serde_json::from_str(text);
    parsed.map(|whole| whole.report).map_err(|e| format!("cannot read the report of lvm: {e}"))
}

impl Row {
    fn text(&self, field: &str) -> Result<String, String> {
        match self.0.get(field) {
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(serde_json::Value::Null) => Ok(String::new()),
            Some(other) => Ok(other.to_string()),
            None => Err(format!("expected the field '{field}' in the report of lvm")),
        }
    }

    fn filled(&self, field: &str) -> Result<Option<String>, String> {
        Ok(Some(self.text(field)?).filter(|text| !text.is_empty()))
    }

    /// A number; nothing where lvm leaves it out.
    fn number<N: std::str::FromStr>(&self, field: &str) -> Result<Option<N>, String> {
        Ok(self.filled(field)?.and_then(|text| text.parse().ok()))
    }

    fn bytes(&self, field: &str) -> Result<Bytes, String> {
        let text = self.text(field)?;
        let wrong = || format!("expected bytes in '{field}', found '{text}'");
        text.parse().map(Bytes).map_err(|_| wrong())
    }

    fn volume(self) -> Result<Volume, String> {
        let tags = self.text("lv_tags")?;
        let attr = self.text("lv_attr")?;
        // Of a thin volume it is how much of its own size is mapped, which may well be all.
        let cow = self.number("snap_percent")?.filter(|_| !is_thin(&attr));
        let pool = (self.number("data_percent")?, self.number("metadata_percent")?);
        let transaction = self.number("transaction_id")?.filter(|_| is_thin(&attr));
        Ok(Volume {
            name: Name { vg: self.text("vg_name")?, lv: self.text("lv_name")? },
            size: self.bytes("lv_size")?,
            origin: self.filled("origin")?,
            tags: tags.split(',').filter(|tag| !tag.is_empty()).map(String::from).collect(),
            device: format!("{}:{}", self.text("lv_kernel_major")?, self.text("lv_kernel_minor")?),
            fill_percent: cow,
            pool: self.filled("pool_lv")?,
            pool_percent: pool.0.zip(pool.1).filter(|_| attr.starts_with('t')),
            transaction,
            attr,
        })
    }

    fn group(self) -> Result<Group, String> {
        Ok(Group {
            name: self.text("vg_name")?,
            free: self.bytes("vg_free")?,
            extent: self.bytes("vg_extent_size")?,
        })
    }
}

impl Name {
    /// The volume `lv` of the group `vg`.
    pub fn new(vg: &str, lv: &str) -> Self {
        Self { vg: vg.into(), lv: lv.into() }
    }

    /// The group.
    pub fn vg(&self) -> &str {
        &self.vg
    }

    /// The volume's name in its group.
    pub fn lv(&self) -> &str {
        &self.lv
    }

    /// Its name in device-mapper: hyphens within are doubled.
    pub fn device(&self) -> String {
        let double = |name: &str| name.replace('-', "--");
        format!("{}-{}", double(&self.vg), double(&self.lv))
    }

    /// The node that device-mapper makes.
    pub fn node(&self) -> PathBuf {
        Path::new("/dev/mapper").join(self.device())
    }
}

impl Volume {
    /// Whether it has this name.
    pub fn is(&self, name: &Name) -> bool {
        self.name == *name
    }

    /// Whether it carries this tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|one| one == tag)
    }

    /// The pool's name, of a thin volume.
    pub fn thin_pool(&self) -> Option<Name> {
        let pool = self.pool.as_deref().filter(|_| is_thin(&self.attr))?;
        Some(Name::new(self.name.vg(), pool))
    }

    /// What is wrong with a thin pool, if lvm says so: the fifth letter of its attributes is then
    /// `c` or `C` (it needs a check), the ninth one of these (lvs(8), NOTES).
    pub fn why_pool_unfit(&self) -> Option<&'static str> {
        match (letter(&self.attr, 4), letter(&self.attr, 8)) {
            (_, 'F') => Some("it has failed"),
            (_, 'D') => Some("it is out of data space"),
            (_, 'M') => Some("its metadata is read-only"),
            ('c' | 'C', _) => Some("it needs to be checked"),
            ('a', '-') => None,
            _ => Some("lvm does not know its state"),
        }
    }

    /// Why it is not a usable snapshot, if it is not. In `lv_attr` the first letter says what it is
    /// (`s` a snapshot, `S` an invalid one being merged) and the fifth its state (`I` and `S`
    /// invalid, `a` active): lvs(8), NOTES.
    pub fn why_invalid(&self) -> Option<String> {
        let attr = &self.attr;
        if self.origin.is_none() || !matches!(letter(attr, 0), 's' | 'V') {
            return Some(format!("it is not a snapshot (attributes '{attr}')"));
        }
        if is_thin(attr) {
            let sound = letter(attr, 4) == 'a' && letter(attr, 8) == '-';
            return (!sound).then(|| format!("it or its pool has failed (attributes '{attr}')"));
        }
        if letter(attr, 4) != 'a' {
            return Some(format!("its COW store overflowed (attributes '{attr}')"));
        }
        self.fill_percent
            .filter(|percent| *percent >= 100.0)
            .map(|percent| format!("its COW store is {percent} % full"))
    }
}

/// Whether these are a thin volume's attributes.
fn is_thin(attr: &str) -> bool {
    attr.starts_with('V')
}

fn letter(attr: &str, at: usize) -> char {
    attr.chars().nth(at).unwrap_or('-')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vg, self.lv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &str = r#"{"report":[{"lv":[{"vg_name":"lab","lv_name":"hs-1",
        "lv_attr":"swi-aos---","lv_size":"536870912","origin":"data","lv_tags":"a,b",
        "lv_kernel_major":"254","lv_kernel_minor":"3","snap_percent":"0.05","pool_lv":"","data_percent":"0.05",
        "metadata_percent":"","transaction_id":""}]}]}"#;

    /// A pool, and a snapshot in it of a volume that is mapped from end to end.
    const THIN: &str = include_str!("../../tests/facts/lvm/lvs-thin.json");

    #[test]
    fn a_snapshot_is_read() {
        let all = volumes(SNAPSHOT).expect("the report is whole");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].origin.as_deref(), Some("data"));
        assert_eq!(all[0].device, "254:3");
        assert!(all[0].has_tag("b") && !all[0].has_tag("c"));
        assert_eq!(all[0].why_invalid(), None);
    }

    #[test]
    fn an_overflow_is_seen() {
        let all = volumes(&SNAPSHOT.replace("swi-aos", "swi-Ios")).expect("the report is whole");
        assert!(all[0].why_invalid().expect("it is invalid").contains("overflowed"));
        let all = volumes(&SNAPSHOT.replace("0.05", "100.00")).expect("the report is whole");
        assert!(all[0].why_invalid().expect("it is full").contains("100"));
    }

    #[test]
    fn a_thin_snapshot_is_as_good_as_its_pool_however_much_of_it_is_mapped() {
        let all = volumes(THIN).expect("the report is whole");
        let of = |name: &str| all.iter().find(|lv| lv.name.lv() == name).expect("it is there");
        let (pool, snapshot) = (of("pool"), of("hs-1"));
        assert_eq!((snapshot.fill_percent, snapshot.why_invalid()), (None, None));
        assert_eq!((snapshot.transaction, pool.transaction), (Some(1), None));
        assert_eq!((snapshot.thin_pool(), pool.thin_pool()), (Some(pool.name.clone()), None));
        assert_eq!((pool.pool_percent, snapshot.pool_percent), (Some((42.8, 12.21)), None));
        assert_eq!(pool.why_pool_unfit(), None);
        let failed = volumes(&THIN.replace("Vwi-a-tz--", "Vwi-a-tzF-")).expect("it is whole");
        assert!(failed.iter().any(|lv| lv.why_invalid().is_some_and(|why| why.contains("pool"))));
    }

    #[test]
    fn a_cut_report_is_an_error() {
        for end in 0..SNAPSHOT.len() {
            assert!(volumes(&SNAPSHOT[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn hyphens_are_doubled_in_nodes() {
        let node = Name::new("my-vg", "a").node();
        assert_eq!(node, PathBuf::from("/dev/mapper/my--vg-a"));
    }
}
