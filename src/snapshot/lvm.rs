//! What lvm reports: logical volumes and volume groups, read from its JSON.
//!
//! Sizes are asked for in bytes (`--units b --nosuffix`); a field that is missing is an error with
//! both sides, never a guess.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use crate::host::{Cmd, Overrun};
use crate::units::{Bytes, Millis};

/// How long a report may take: it scans every device.
const REPORT_MS_MAX: Millis = Millis(60_000);

/// The columns of a volume report, as lvs(8) spells them.
const LV_FIELDS: &str = "vg_name,lv_name,lv_attr,lv_size,origin,lv_tags,lv_kernel_major,\
                         lv_kernel_minor,snap_percent,pool_lv";

/// The columns of a group report.
const VG_FIELDS: &str = "vg_name,vg_free,vg_extent_size";

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
    /// How full a snapshot's COW store is.
    pub fill_percent: Option<f64>,
    /// The thin pool it lives in.
    pub pool: Option<String>,
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

/// The command that reports every group.
pub fn report_groups(vgs: PathBuf) -> Cmd {
    reporting(vgs, VG_FIELDS)
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

    fn bytes(&self, field: &str) -> Result<Bytes, String> {
        let text = self.text(field)?;
        let wrong = || format!("expected bytes in '{field}', found '{text}'");
        text.parse().map(Bytes).map_err(|_| wrong())
    }

    fn volume(self) -> Result<Volume, String> {
        let tags = self.text("lv_tags")?;
        let percent = self.filled("snap_percent")?;
        Ok(Volume {
            name: Name { vg: self.text("vg_name")?, lv: self.text("lv_name")? },
            attr: self.text("lv_attr")?,
            size: self.bytes("lv_size")?,
            origin: self.filled("origin")?,
            tags: tags.split(',').filter(|tag| !tag.is_empty()).map(String::from).collect(),
            device: format!("{}:{}", self.text("lv_kernel_major")?, self.text("lv_kernel_minor")?),
            fill_percent: percent.and_then(|text| text.parse().ok()),
            pool: self.filled("pool_lv")?,
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

    /// The node that device-mapper makes: hyphens in names are doubled.
    pub fn node(&self) -> PathBuf {
        let double = |name: &str| name.replace('-', "--");
        format!("/dev/mapper/{}-{}", double(&self.vg), double(&self.lv)).into()
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

    /// Why it is not a usable snapshot, if it is not. In `lv_attr` the first letter says what it is
    /// (`s` a snapshot, `S` an invalid one being merged) and the fifth its state (`I` and `S`
    /// invalid, `a` active): lvs(8), NOTES.
    pub fn why_invalid(&self) -> Option<String> {
        let letter = |at: usize| self.attr.chars().nth(at).unwrap_or('-');
        if self.origin.is_none() || !matches!(letter(0), 's' | 'V') {
            return Some(format!("it is not a snapshot (attributes '{}')", self.attr));
        }
        if letter(4) != 'a' {
            return Some(format!("its COW store overflowed (attributes '{}')", self.attr));
        }
        self.fill_percent
            .filter(|percent| *percent >= 100.0)
            .map(|percent| format!("its COW store is {percent} % full"))
    }
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
        "lv_kernel_major":"254","lv_kernel_minor":"3","snap_percent":"0.05","pool_lv":""}]}]}"#;

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
