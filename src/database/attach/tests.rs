//! Every shape of `coordinates.sql` beside the golden ones: GTID and not, several channels, hostile
//! names, and the wrong design that goes on from the receiver's position.

use super::*;
use crate::database::coordinates::{Own, Received};

fn server(text: &str) -> Server {
    Server::parse(text, "").expect("the version is known")
}

fn channel(name: &str, gtid: &str) -> Channel {
    Channel {
        name: name.into(),
        host: "db1".into(),
        port: 3306,
        user: "repl".into(),
        file: "bin.000001".into(),
        position: 100,
        gtid: gtid.into(),
        received: Received { file: "bin.000002".into(), position: 200, gtid: "0-1-9".into() },
        ..Channel::default()
    }
}

fn at(own: Own, channels: Vec<Channel>) -> Coordinates {
    Coordinates { own, channels }
}

fn mariadb_own() -> Own {
    Own {
        gtid_slave_pos: Some("0-1-5".into()),
        gtid_current_pos: Some("0-2-6".into()),
        ..Own::default()
    }
}

#[test]
fn mariadb_goes_on_by_gtid_or_by_place() {
    let lines =
        mariadb_replica(&at(mariadb_own(), vec![channel("", "Slave_Pos"), channel(r"o'n\e", "")]));
    assert_eq!(
        lines,
        [
            "STOP ALL SLAVES",
            "RESET SLAVE",
            r"RESET SLAVE 'o''n\\e'",
            "SET GLOBAL gtid_slave_pos = '0-1-5'",
            "CHANGE MASTER TO MASTER_HOST = 'db1', MASTER_PORT = 3306, MASTER_USER = 'repl', \
             MASTER_USE_GTID = slave_pos",
            concat!(
                r"CHANGE MASTER 'o''n\\e' TO MASTER_HOST = 'db1', MASTER_PORT = 3306, ",
                r"MASTER_USER = 'repl', MASTER_LOG_FILE = 'bin.000001', MASTER_LOG_POS = 100, ",
                r"MASTER_USE_GTID = no"
            ),
            "START SLAVE",
            r"START SLAVE 'o''n\\e'",
        ]
    );
}

#[test]
fn mariadb_sets_no_gtid_position_that_no_channel_goes_by() {
    let lines = mariadb_replica(&at(mariadb_own(), vec![channel("", "")]));
    assert!(!lines.iter().any(|line| line.contains("gtid_slave_pos")));
}

#[test]
fn mariadb_current_pos_becomes_slave_pos() {
    let lines = mariadb_replica(&at(mariadb_own(), vec![channel("", "Current_Pos")]));
    assert_eq!(lines[2], "SET GLOBAL gtid_slave_pos = '0-2-6'");
    assert!(lines[3].ends_with("MASTER_USE_GTID = slave_pos"));
}

#[test]
fn old_mysql_is_spoken_to_in_its_words() {
    let own = Own { gtid_executed: Some("a:1-5".into()), ..Own::default() };
    let told = at(own, vec![channel("c", "Auto_Position")]);
    assert_eq!(
        mysql_replica(&server("8.0.20"), &told),
        [
            "STOP SLAVE",
            "RESET SLAVE FOR CHANNEL 'c'",
            "RESET MASTER",
            "SET GLOBAL gtid_purged = 'a:1-5'",
            "CHANGE MASTER TO MASTER_HOST = 'db1', MASTER_PORT = 3306, MASTER_USER = 'repl', \
             MASTER_AUTO_POSITION = 1 FOR CHANNEL 'c'",
            "START SLAVE FOR CHANNEL 'c'",
        ]
    );
}

#[test]
fn a_source_without_gtid_is_followed_by_place() {
    let own = Own { file: Some("bin.000003".into()), position: Some(4), ..Own::default() };
    let lines = mysql_source(&server("8.4.3"), &at(own.clone(), Vec::new()), placeholders);
    assert!(lines[0].ends_with("SOURCE_LOG_FILE = 'bin.000003', SOURCE_LOG_POS = 4"), "{lines:?}");
    let lines = mariadb_source(&at(own, Vec::new()), placeholders);
    assert!(
        lines[0].ends_with("LOG_FILE = 'bin.000003', MASTER_LOG_POS = 4, MASTER_USE_GTID = no"),
        "{lines:?}"
    );
}

/// The wrong design must show in what it writes, or no oracle could catch it.
#[test]
fn the_receivers_position_is_another() {
    wrong::choose(Some(Wrong::ReceiverPosition));
    let by_place = mariadb_replica(&at(mariadb_own(), vec![channel("", "")]));
    let by_gtid = mariadb_replica(&at(mariadb_own(), vec![channel("", "Slave_Pos")]));
    let own = Own { gtid_executed: Some("a:1-5".into()), ..Own::default() };
    let mut told = at(own, vec![channel("", "Auto_Position")]);
    told.channels[0].received.gtid = "a:4-9".into();
    let mysql = mysql_replica(&server("9.7.4"), &told);
    wrong::choose(None);
    assert!(by_place[2].contains("MASTER_LOG_FILE = 'bin.000002', MASTER_LOG_POS = 200"));
    assert_eq!(by_gtid[2], "SET GLOBAL gtid_slave_pos = '0-1-9'");
    assert_eq!(mysql[3], "SET GLOBAL gtid_purged = 'a:1-5,a:4-9'");
}
