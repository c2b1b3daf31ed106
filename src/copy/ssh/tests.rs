//! What is typed at another host, and what its answers mean.

use super::*;
use crate::host::linux::Linux;
use crate::host::{Act, Ask, Host};

const RUN: &str = "20261123T010203Z-00002a";

fn account(user: &str) -> Account {
    Account {
        host: "vault".into(),
        port: 2222,
        user: user.into(),
        directory: "/srv/it's here".into(),
        key_file: "/etc/holdstill/key".into(),
        known_hosts: "/etc/holdstill/known hosts".into(),
    }
}

fn tool<'a>(account: &'a Account, socket: Option<&'a Path>) -> Tool<'a> {
    Tool {
        ssh: Path::new("/usr/bin/ssh"),
        rsync: Path::new("/usr/bin/rsync"),
        account,
        socket,
        bandwidth_max: None,
        ms_max: Millis(5),
    }
}

const OPTIONS: &str = "-F none -x -a -p 2222 -i /etc/holdstill/key -o BatchMode=yes -o \
     IdentitiesOnly=yes -o \
     StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no -o \
     ClearAllForwardings=yes -o 'UserKnownHostsFile=\"/etc/holdstill/known hosts\"' -o \
     ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

#[test]
fn what_is_typed_at_the_other_side_to_the_letter() {
    let account = account("hold");
    let cmd = tool(&account, None).remove(RUN);
    let script = format!(
        r"exec sh -c 'cd '\''/srv/it'\''\'\'''\''s here'\'' || exit 97; set -e
if [ -d .{RUN}.removing ]; then
find .{RUN}.removing -xdev -mindepth 1 -maxdepth 1 ! -name backup.json -exec rm -rf -- {{}} +
rm -f .{RUN}.removing/backup.json; rmdir .{RUN}.removing; fi
if [ -d {RUN} ] && [ ! -L {RUN} ]; then mv -T {RUN} .{RUN}.removing; sync; fi
if [ -d .{RUN}.removing ]; then
find .{RUN}.removing -xdev -mindepth 1 -maxdepth 1 ! -name backup.json -exec rm -rf -- {{}} +
rm -f .{RUN}.removing/backup.json; rmdir .{RUN}.removing; fi'"
    );
    let told =
        format!("ssh {OPTIONS} -o ControlPath=none -T -- hold@vault {}", typed::word(&script));
    assert_eq!(cmd.to_string(), told);
}

#[test]
fn a_shell_takes_it_apart_as_it_was_meant() {
    let home = tempfile::tempdir().unwrap();
    let mut host = Linux::new().unwrap();
    let directory = home.path().join("it's $(touch no) here");
    let partial = directory.join(Form::Partial.name(RUN));
    for name in ["", RUN, "2ours"] {
        host.act(&Act::MakeDir(directory.join(name))).unwrap();
    }
    host.act(&Act::MakeDir(partial.clone())).unwrap();
    let write = |host: &mut Linux, path: PathBuf, text: &str| {
        host.act(&Act::WriteFile { path, text: text.into() }).unwrap();
    };
    write(&mut host, directory.join(RUN).join(RECORD), "{\n  \"run\": 1\n}");
    let account = Account { directory: directory.clone(), ..account("hold") };
    let tool = tool(&account, None);
    let here = Linux::new().unwrap();
    let sh = |script: String| {
        let (program, args) = ("/bin/sh".into(), vec!["-c".into(), script]);
        let cmd = Cmd { program, args, ms_max: Millis(60_000), overrun: Overrun::End };
        here.output(&cmd).unwrap()
    };
    let run = |cmd: Cmd| sh(cmd.args.last().unwrap().clone());
    sh(format!("ln -s {RUN} {}/3link", typed::path(&directory)));
    let seen = listing(&run(tool.list()));
    let whole = (RUN.into(), Some("{\n  \"run\": 1\n}\n".into()));
    assert_eq!(seen, [whole, ("2ours".into(), None), (Form::Partial.name(RUN), None)]);
    // What an interrupted removal left is no reason to take a backup of the same name.
    let left = directory.join(Form::Removing.name(RUN));
    host.act(&Act::MakeDir(left.join("tree"))).unwrap();
    run(tool.finish(RUN));
    assert_eq!(here.entry(&left).unwrap(), None);
    assert!(here.entry(&directory.join(RUN)).unwrap().is_some());
    host.act(&Act::MakeDir(left.join("tree"))).unwrap();
    run(tool.remove(RUN));
    run(tool.remove(RUN));
    assert_eq!(here.entry(&left).unwrap(), None);
    run(tool.open(RUN));
    write(&mut host, partial.join(RECORD_BEFORE), "r");
    run(tool.publish(RUN));
    let seen = listing(&run(tool.list()));
    assert_eq!(seen, [(RUN.into(), Some("r\n".into())), ("2ours".into(), None)]);
    run(tool.open(RUN));
    run(tool.discard(RUN));
    assert_eq!(here.entry(&partial).unwrap(), None);
    assert_eq!(here.entry(Path::new("/no")).unwrap(), None, "a name was taken for a command");
}

#[test]
fn rsync_is_told_where_how_and_as_whom() {
    let account = account("hold");
    let socket = PathBuf::from("/run/holdstill/ssh/vault");
    let tool = Tool { bandwidth_max: Some(Bytes(1 << 20)), ..tool(&account, Some(&socket)) };
    let cmd = tool.send(Path::new("/backup/r"), RUN, Care::Quick);
    assert_eq!(
        cmd.args[0],
        format!(
            "--rsh=/usr/bin/ssh {OPTIONS} -o ControlMaster=auto -o \
             ControlPath=/run/holdstill/ssh/vault -o ControlPersist=60"
        )
    );
    assert_eq!(
        cmd.args[1..].join(" "),
        format!(
            "--remote-option=--fake-super --bwlimit=1024 --protect-args --outbuf=L \
             --no-human-readable --timeout=600 --delete --exclude=/backup.json \
             --exclude=/backup.json.new --modify-window=-1 --archive --omit-dir-times --hard-links \
             --acls --xattrs --numeric-ids --partial --inplace --info=progress2 \
             --no-inc-recursive -- \
             /backup/r/ hold@vault:/srv/it's here/.{RUN}.partial/"
        )
    );
    let root = Account { user: "root".into(), host: "fd00::1".into(), ..account.clone() };
    let cmd = Tool { account: &root, ..tool }.receive(RUN, Path::new("/b"), Care::Thorough);
    let told = cmd.args[1..].join(" ");
    assert!(!told.contains("fake-super") && told.contains("--checksum"), "{told}");
    let paths = format!("-- root@[fd00::1]:/srv/it's here/{RUN}/ /b/");
    assert!(told.ends_with(&paths), "{told}");
    let cmd = tool.compare(Path::new("/b"), Form::Whole, RUN).to_string();
    assert!(cmd.contains("--dry-run") && !cmd.contains("progress2"), "{cmd}");
}

#[test]
fn differences_are_told_from_other_lines() {
    for (line, name) in [
        ("<fc......... tree/ibdata1", Some("tree/ibdata1")),
        (".f...p..... tree/a b", Some("tree/a b")),
        ("*deleting   tree/x", Some("tree/x")),
        ("cL+++++++++ l -> t", Some("l -> t")),
        ("sending incremental file list", None),
        ("", None),
    ] {
        assert_eq!(difference(line), name, "{line}");
    }
}
