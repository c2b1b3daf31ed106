//! What commands print on the simulated machine: the reports of lvm, and rsync's progress.

use serde_json::{Map, Value, json};

use super::volumes::Lv;
use super::world::World;
use crate::host::Cmd;

/// The output of a command that only reads.
pub(super) fn output(world: &World, cmd: &Cmd) -> String {
    match program(cmd) {
        "lvs" => lvs(world, &cmd.args),
        "vgs" => vgs(world, &cmd.args),
        _ => {
            let typed = cmd.to_string();
            match world.outputs.iter().find(|(known, _)| *known == typed) {
                Some((_, text)) => text.clone(),
                None => panic!("the simulated machine has no output for '{typed}'"),
            }
        }
    }
}

/// The name of a command's program.
pub(super) fn program(cmd: &Cmd) -> &str {
    cmd.program.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn lvs(world: &World, args: &[String]) -> String {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let &["--reportformat", "json", "--units", "b", "--nosuffix", "--options", fields] =
        words.as_slice()
    else {
        panic!("the simulated lvs does not understand {words:?}");
    };
    let row = |lv: &Lv| -> Map<String, Value> {
        fields.split(',').map(|field| (field.to_owned(), value(world, lv, field).into())).collect()
    };
    let rows: Vec<_> = world.volumes.all.iter().map(row).collect();
    json!({"report": [{"lv": rows}]}).to_string()
}

fn value(world: &World, lv: &Lv, field: &str) -> String {
    match field {
        "vg_name" => lv.vg.clone(),
        "lv_name" => lv.lv.clone(),
        "lv_attr" => attributes(world, lv),
        "lv_size" => lv.size.to_string(),
        "origin" => lv.snapshot.as_ref().map_or("", |(origin, _)| origin).into(),
        "lv_tags" => lv.tags.join(","),
        "lv_kernel_major" => "253".into(),
        "lv_kernel_minor" => lv.minor.to_string(),
        "snap_percent" | "data_percent" => percent(lv),
        "pool_lv" => lv.thin.as_ref().map_or("", |(pool, _)| pool.lv()).into(),
        "metadata_percent" => String::new(),
        "transaction_id" => lv.thin.as_ref().map_or(String::new(), |(_, id)| id.to_string()),
        _ => panic!("the simulated lvs has no field '{field}'"),
    }
}

fn percent(lv: &Lv) -> String {
    match (&lv.snapshot, lv.overflowed) {
        // How much of it is mapped, which may well be all.
        _ if lv.thin.is_some() => "100.00".into(),
        (None, _) => String::new(),
        (Some(_), false) => format!("{}.05", lv.used.saturating_mul(100) / lv.size.max(1)),
        (Some(_), true) => "100.00".into(),
    }
}

/// The only group, and what it has free.
fn vgs(world: &World, args: &[String]) -> String {
    let asked = args.last().is_some_and(|group| *group == world.volumes.all[0].vg);
    assert!(asked, "the simulated vgs does not understand {args:?}");
    let (free, vg) = (world.volumes.free.to_string(), &world.volumes.all[0].vg);
    let row = json!({"vg_name": vg, "vg_free": free, "vg_extent_size": "4194304"});
    json!({"report": [{"vg": [row]}]}).to_string()
}

/// The attributes as lvs(8) explains them: what it is, its state, whether it is open.
fn attributes(world: &World, lv: &Lv) -> String {
    let is_origin = world.volumes.all.iter().any(|one| {
        one.vg == lv.vg && one.snapshot.as_ref().is_some_and(|(origin, _)| *origin == lv.lv)
    });
    let node = lv.name().node();
    let open = world.mounts.iter().any(|one| std::path::Path::new(&one.mount.source) == node);
    if lv.thin.is_some() {
        return format!("Vwi-a{}tz--", if open { 'o' } else { '-' });
    }
    let (kind, target) = match (&lv.snapshot, is_origin) {
        (Some(_), _) => ('s', 's'),
        (None, true) => ('o', 's'),
        (None, false) => ('-', '-'),
    };
    let state = if lv.overflowed { 'I' } else { 'a' };
    format!("{kind}wi-{state}{}{target}---", if open { 'o' } else { '-' })
}
