//! Examples that are shipped beside the program, as far as they can be held against each other
//! without the programs that read them.

use std::path::Path;

use holdstill::config;
use holdstill::units::Millis;

use super::text;

/// The number behind an option of a command.
fn number(script: &str, option: &str) -> u64 {
    let (_, rest) = script.split_once(&format!("{option} ")).expect("the option is there");
    rest.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

/// curl begins its last try within `--retry-max-time`, and that may take `--max-time`.
#[test]
fn the_monitored_scenario_lets_its_hooks_end() {
    let name = "config/scenarios/monitored.toml";
    let config = config::parse(Path::new(name), &text(name)).expect("it is right");
    let ping = text("packaging/hooks/ping");
    let seconds = number(&ping, "--retry-max-time") + number(&ping, "--max-time");
    assert!(ping.contains(&format!("within {seconds} s")), "it says something else");
    let limit = config.hooks.ms_max;
    assert!(limit > Millis(seconds * 1000), "{limit} end it before its {seconds} s are over");
}

/// What a weight slows down is the whole unit: lvm and our questions under the lock as well.
#[test]
fn the_unit_slows_nothing_down_but_the_copy() {
    let unit = text("packaging/systemd/holdstill.service");
    let slow = ["CPUWeight", "IOWeight", "Nice", "IOScheduling", "CPUQuota", "CPUScheduling"];
    let keys = unit.lines().filter(|line| slow.iter().any(|key| line.starts_with(key)));
    assert_eq!(keys.collect::<Vec<_>>(), Vec::<&str>::new());
    for name in ["mariadb-replica-by-cron", "monitored", "mysql-replica-by-systemd"] {
        let name = format!("config/scenarios/{name}.toml");
        let config = config::parse(Path::new(&name), &text(&name)).expect("it is right");
        assert!(config.copy.priority.nice.is_some() && config.copy.priority.io.is_some(), "{name}");
    }
}

/// A line has an id only where it has a run, and no two lines have the same.
#[test]
fn the_collectors_name_no_two_lines_alike() {
    let filebeat = text("packaging/filebeat/holdstill.yml");
    let fields = r#"fields: ["holdstill.run", "holdstill.sequence", "holdstill.time"]"#;
    assert!(filebeat.contains(fields), "{filebeat}");
    assert!(filebeat.contains(r#"has_fields: ["holdstill.run", "holdstill.sequence"]"#));
    assert!(!filebeat.contains("ignore_missing"), "lines without a run would be one document");
    let logstash = text("packaging/logstash/holdstill.conf");
    assert!(logstash.contains("if [holdstill][run] {"), "{logstash}");
}
