//! One table out of a backup: a private server recovers a throw-away copy, writes all of the table
//! into its files (`FLUSH TABLES ... FOR EXPORT`), and these are copied out with what another
//! server needs to import them.
//!
//! The files in the backup itself would not do: what was committed last may be in the redo log
//! alone. Deliberately absent: the other server. What is to be done there is told, step by step.

use std::path::{Path, PathBuf};

use super::plan::Drill;
use super::report::Event;
use super::story::{Stage, staged};
use crate::database::Server;
use crate::database::dialect::quoted;
use crate::digest::Digest;
use crate::host::{Act, Ask, Cmd, Fault, Host, Overrun, Priority, Reading, Session, Sql, ToRead};
use crate::shell;
use crate::sums;
use crate::units::{Bytes, Millis};

/// What the files of an exported table end with: its rows, what they look like, and the key of an
/// encrypted one (MySQL).
const ENDS: [&str; 3] = ["ibd", "cfg", "cfp"];

/// What another server runs first, and what last.
const DISCARD: &str = "1-discard.sql";
const IMPORT: &str = "2-import.sql";

/// A table's name, as the server spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// The database.
    pub schema: String,
    /// The table.
    pub table: String,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Which table.
    pub table: &'a TableName,
    /// A directory that is not there yet.
    pub to: &'a Path,
    /// The program that copies.
    pub cp: &'a Path,
}

/// A table that was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its files, in the directory.
    pub files: Vec<String>,
    /// Their bytes.
    pub bytes: Bytes,
    /// From the private server's start to its first answer.
    pub ready_ms: Option<Millis>,
    /// What is to be done on the other server: commands of a shell, and what is worth knowing.
    pub steps: String,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Export {
    /// What was taken out.
    pub result: Result<Exported, Fault>,
    /// What was left: the throw-away directory, or a server that does not end.
    pub left: Option<Fault>,
}

/// Takes a table out. The caller has the drill lock. A directory that is not finished goes again.
pub fn export(
    host: &mut dyn Host,
    drill: &Drill,
    order: &Order<'_>,
    tell: &mut dyn FnMut(Event),
) -> Export {
    let (mut result, left) = staged(host, drill, tell, |stage| stage.export(order));
    if let Err(fault) = result {
        let cleared = host.act(&Act::RemoveTree(order.to.into())).map(drop);
        result = Err(cleared.err().map_or(fault.clone(), |more| fault.during(&more.to_string())));
    }
    Export { result, left }
}

impl TableName {
    /// Reads `schema.table`; a name with a dot in it stands between backticks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a table as 'database.table', found '{text}'");
        let (schema, rest) = name(text).ok_or_else(wrong)?;
        let (table, rest) = rest.strip_prefix('.').and_then(name).ok_or_else(wrong)?;
        if rest.is_empty() { Ok(Self { schema, table }) } else { Err(wrong()) }
    }

    /// As a statement names it.
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.table))
    }
}

/// A name at the beginning of a text, and what is behind it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(inside) = text.strip_prefix('`') else {
        let end = text.find('.').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let (mut found, mut rest) = (String::new(), inside);
    loop {
        let (before, after) = rest.split_once('`')?;
        found.push_str(before);
        let Some(more) = after.strip_prefix('`') else {
            return (!found.is_empty()).then_some((found, after));
        };
        found.push('`');
        rest = more;
    }
}

/// A name between backticks.
fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Stage<'_> {
    fn export(&mut self, order: &Order<'_>) -> Result<Exported, Fault> {
        self.furnish()?;
        self.start()?;
        if !self.wait()? {
            let why = self.report.problems.first().cloned().unwrap_or_default();
            return Err(Fault::refused(why));
        }
        let server = self.visit.meet()?;
        let create = self.definition(&server, order.table)?;
        let text = format!("FLUSH TABLES {} FOR EXPORT", order.table.quoted());
        let ms_max = self.visit.left()?;
        self.visit.host.act(&Act::Sql(Sql { session: Session::Drill, text, ms_max }))?;
        let (directory, files) = self.files()?;
        self.visit.host.act(&Act::NewDir(order.to.into()))?;
        let bytes = self.take(order, &directory, &files)?;
        let text = "UNLOCK TABLES".to_owned();
        self.visit.host.act(&Act::Sql(Sql { session: Session::Drill, text, ms_max }))?;
        let schema = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let told = Told { server: &server, run: &self.drill.backup, order, create: &create };
        for (name, text) in [(DISCARD, told.discard()), (IMPORT, told.import())] {
            self.visit.host.act(&Act::WriteReadable { path: order.to.join(name), text })?;
        }
        self.visit.host.act(&Act::SyncFs(order.to.into()))?;
        let steps = told.steps(&schema, &files);
        Ok(Exported { files, bytes, ready_ms: self.report.ready_ms, steps })
    }

    /// The statement that makes the table, if it is one that can be taken out.
    fn definition(&mut self, server: &Server, table: &TableName) -> Result<String, Fault> {
        let (schema, name) = (quoted(&table.schema), quoted(&table.table));
        let ms_max = self.visit.left()?;
        let rows = self.visit.ask(
            &format!(
                "SELECT ENGINE AS engine, CREATE_OPTIONS AS options FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {name}"
            ),
            ms_max,
        )?;
        let told = table.quoted();
        if rows.rows.is_empty() {
            return Err(Fault::refused(format!("there is no table {told} in the backup")));
        }
        let Some(engine) = rows.get(0, "engine") else {
            return Err(Fault::refused(format!("{told} is a view, which has no rows of its own")));
        };
        if !engine.eq_ignore_ascii_case("InnoDB") {
            return Err(Fault::refused(format!(
                "{told} is of the engine {engine}: only tables of InnoDB can be taken out"
            )));
        }
        let parted = rows.get(0, "options").unwrap_or_default().contains("partitioned");
        if parted && server.is_mariadb() {
            return Err(Fault::refused(format!(
                "{told} has partitions, which MariaDB imports one by one alone: restore the whole \
                 backup, and dump the table"
            )));
        }
        let rows = self.visit.ask(&format!("SHOW CREATE TABLE {told}"), ms_max)?;
        let create = rows.get(0, "Create Table").map(String::from);
        create.ok_or_else(|| Fault::refused(format!("{told} is no table")))
    }

    /// The files that the export has made or marked: where they are, seen from here, and their
    /// names. No other table was exported, so whatever has a `.cfg` is of this one.
    fn files(&mut self) -> Result<(PathBuf, Vec<String>), Fault> {
        let pid = self.visit.log.pid.ok_or_else(|| Fault::refused("the jail has no process"))?;
        let data = self.drill.past.datadir();
        let inside = data.strip_prefix("/").unwrap_or(&data);
        let data = PathBuf::from(format!("/proc/{pid}/root")).join(inside);
        for schema in self.visit.host.list(&data)? {
            let directory = data.join(schema);
            let names = self.visit.host.list(&directory)?;
            let stems: Vec<&str> =
                names.iter().filter_map(|name| name.strip_suffix(".cfg")).collect();
            let is_of_it = |name: &&String| {
                name.rsplit_once('.')
                    .is_some_and(|(stem, end)| ENDS.contains(&end) && stems.contains(&stem))
            };
            let files: Vec<String> = names.iter().filter(is_of_it).cloned().collect();
            if files.iter().any(|name| Path::new(name).extension().is_some_and(|end| end == "ibd"))
            {
                return Ok((directory, files));
            }
        }
        Err(Fault::refused(
            "the table has no file of its own in the data directory: it is in a shared tablespace, \
             or it has a DATA DIRECTORY",
        ))
    }

    /// Copies the files and holds the copies against them.
    fn take(
        &mut self,
        order: &Order<'_>,
        directory: &Path,
        files: &[String],
    ) -> Result<Bytes, Fault> {
        let mut args: Vec<String> =
            ["--no-dereference", "--preserve=mode,ownership,timestamps", "--"]
                .map(String::from)
                .into();
        args.extend(files.iter().map(|name| directory.join(name).display().to_string()));
        args.push(format!("{}/", order.to.display()));
        let (program, ms_max) = (order.cp.to_owned(), self.visit.left()?);
        self.visit.host.act(&Act::Run(Cmd { program, args, ms_max, overrun: Overrun::End }))?;
        self.visit.host.act(&Act::SyncFs(order.to.into()))?;
        let tree = self.visit.host.tree(order.to)?;
        let size = |name: &String| {
            tree.found.iter().find(|one| one.path == Path::new(name)).map(|one| one.size)
        };
        let to_read: Option<Vec<ToRead>> = files
            .iter()
            .map(|name| Some(ToRead { path: name.into(), size: size(name)? }))
            .collect();
        let to_read = to_read.ok_or_else(|| Fault::refused("a file was not copied"))?;
        let bytes = Bytes(to_read.iter().map(|one| one.size.0).sum());
        let there = self.sums(directory, &to_read)?;
        if there != self.sums(order.to, &to_read)? {
            return Err(Fault::refused("the copy of the table is not what was copied"));
        }
        Ok(bytes)
    }

    fn sums(&mut self, directory: &Path, files: &[ToRead]) -> Result<Vec<Digest>, Fault> {
        let (directory, priority) = (directory.to_owned(), Priority::default());
        let reading = Reading { directory, files: files.into(), priority };
        let host = &*self.visit.host;
        let sums = sums::read(host, reading, &mut |_| host.heed_signal())?;
        let sums = sums.into_iter().map(|sum| sum.map(|sum| sum.blake3));
        sums.collect::<Result<_, String>>().map_err(Fault::refused)
    }
}

/// What is told of an export.
struct Told<'a> {
    server: &'a Server,
    run: &'a str,
    order: &'a Order<'a>,
    create: &'a str,
}

impl Told<'_> {
    fn head(&self) -> String {
        let told = format!("{} of backup {}, {}", self.order.table.quoted(), self.run, self.server);
        // Rows are not held against other tables: those may lack what these refer to.
        format!("-- {}\nSET SESSION foreign_key_checks = 0;\n", told.replace(char::is_control, " "))
    }

    /// Makes the table anew and takes its empty file away.
    fn discard(&self) -> String {
        let TableName { schema, table } = self.order.table;
        let (schema, table) = (identifier(schema), identifier(table));
        let what = if self.is_parted() { "DISCARD PARTITION ALL" } else { "DISCARD" };
        format!(
            "{}CREATE DATABASE IF NOT EXISTS {schema};\nUSE {schema};\n{};\nALTER TABLE {table} {what} \
             TABLESPACE;\n",
            self.head(),
            self.create
        )
    }

    /// Takes the files in.
    fn import(&self) -> String {
        let table = self.order.table.quoted();
        let what = if self.is_parted() { "IMPORT PARTITION ALL" } else { "IMPORT" };
        format!("{}ALTER TABLE {table} {what} TABLESPACE;\nCHECK TABLE {table};\n", self.head())
    }

    fn is_parted(&self) -> bool {
        self.create.contains("PARTITION BY")
    }

    /// What is to be typed, in order.
    fn steps(&self, schema: &str, files: &[String]) -> String {
        let client = if self.server.is_mariadb() { "mariadb" } else { "mysql" };
        let at = |name: &str| shell::path(&self.order.to.join(name));
        let all: Vec<String> = files.iter().map(|name| at(name)).collect();
        let mut steps = format!(
            "# on a server of the same series that has no table {} (or DROP it, or RENAME it first):\n\
             {client} < {}\n\
             # DATADIR is what that server says of @@datadir; every file must be its user's\n\
             install --owner=mysql --group=mysql --mode=0640 {} DATADIR/{}/\n\
             {client} < {}\n",
            self.order.table.quoted(),
            at(DISCARD),
            all.join(" "),
            shell::word(schema),
            at(IMPORT)
        );
        if self.create.contains("FOREIGN KEY") {
            steps += "# it has foreign keys: its rows are not held against the other tables\n";
        }
        if self.create.to_ascii_uppercase().contains("ENCRYPT") {
            steps += "# it is encrypted: that server needs the same keys\n";
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_as_one_types_it() {
        let parsed = |text: &str| TableName::parse(text).map(|name| (name.schema, name.table));
        let named = |schema: &str, table: &str| Ok((schema.to_owned(), table.to_owned()));
        assert_eq!(parsed("lab.t"), named("lab", "t"));
        assert_eq!(parsed("`a.b`.`c``d`"), named("a.b", "c`d"));
        assert_eq!(parsed("lab.`a b`"), named("lab", "a b"));
        for wrong in ["", "t", ".t", "lab.", "a.b.c", "`a.b", "``.t", "`a`b.c", "`a`.`b`c"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        let odd = TableName { schema: "a`b".into(), table: "c.d".into() };
        assert_eq!(odd.quoted(), "`a``b`.`c.d`");
        assert_eq!(TableName::parse(&odd.quoted()), Ok(odd));
    }

    fn told(version: &str, create: &str) -> (String, String, String) {
        let server = Server::parse(version, "").unwrap();
        let table = TableName { schema: "lab".into(), table: "o'dd t".into() };
        let order = Order { table: &table, to: Path::new("/srv/out"), cp: Path::new("/bin/cp") };
        let told = Told { server: &server, run: "R", order: &order, create };
        let files = ["o@0027dd@0020t.cfg", "o@0027dd@0020t.ibd"].map(String::from);
        (told.discard(), told.import(), told.steps("lab", &files))
    }

    #[test]
    fn what_another_server_is_told() {
        let create = "CREATE TABLE `o'dd t` (\n  `id` int\n) ENGINE=InnoDB";
        let (discard, import, steps) = told("10.11.9-MariaDB", create);
        assert_eq!(
            discard,
            "-- `lab`.`o'dd t` of backup R, MariaDB 10.11.9-MariaDB\n\
             SET SESSION foreign_key_checks = 0;\nCREATE DATABASE IF NOT EXISTS `lab`;\n\
             USE `lab`;\n\
             CREATE TABLE `o'dd t` (\n  `id` int\n) ENGINE=InnoDB;\n\
             ALTER TABLE `o'dd t` DISCARD TABLESPACE;\n"
        );
        assert!(import.ends_with(
            "ALTER TABLE `lab`.`o'dd t` IMPORT TABLESPACE;\nCHECK TABLE `lab`.`o'dd t`;\n"
        ));
        assert!(steps.contains("mariadb < /srv/out/1-discard.sql\n"), "{steps}");
        let install =
            "--mode=0640 /srv/out/o@0027dd@0020t.cfg /srv/out/o@0027dd@0020t.ibd DATADIR/lab/";
        assert!(steps.contains(install), "{steps}");
        assert!(!steps.contains("foreign") && !steps.contains("encrypted"), "{steps}");
    }

    #[test]
    fn partitions_keys_and_encryption_are_told() {
        let create = "CREATE TABLE t (FOREIGN KEY (a) REFERENCES b (a)) ENCRYPTION='Y'\n\
                      /*!50100 PARTITION BY HASH (a) */";
        let (discard, import, steps) = told("9.7.1", create);
        assert!(discard.contains("DISCARD PARTITION ALL TABLESPACE"), "{discard}");
        assert!(import.contains("IMPORT PARTITION ALL TABLESPACE"), "{import}");
        assert!(steps.contains("foreign keys") && steps.contains("same keys"), "{steps}");
        assert!(steps.contains("mysql < "), "{steps}");
    }
}
