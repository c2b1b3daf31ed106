//! Passwords, read at the moment of connecting and handed to nobody but the connection.
//!
//! The file is opened once, and checked on what was opened: nobody else may read or write it.
//! Deliberately absent from every message: anything the file says.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::unistd::Uid;

use super::inspect::{cannot, limited};
use super::machine::credentials_directory;
use crate::host::{Fault, Secret};
use crate::option_file::{OptionFile, Password};

/// The largest file that may hold a password.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// Who to be, as far as the secret's file says it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: Option<Password>,
}

/// Reads the credentials.
pub(super) fn read(secret: &Secret) -> Result<Credentials, Fault> {
    match secret {
        Secret::None => Ok(Credentials::default()),
        Secret::OptionFile(path) => from_option_file(path),
        Secret::Credential(name) => from_option_file(&credential(name)?),
        Secret::ConfigFile(path) => from_config_file(path),
    }
}

fn credential(name: &str) -> Result<PathBuf, Fault> {
    let missing = || Fault::refused("no CREDENTIALS_DIRECTORY is set");
    Ok(credentials_directory().ok_or_else(missing)?.join(name))
}

fn from_option_file(path: &Path) -> Result<Credentials, Fault> {
    let file = OptionFile::parse(&private_text(path)?)
        .map_err(|error| Fault::refused(format!("cannot read '{}': {error}", path.display())))?;
    Ok(Credentials { user: file.user, password: file.password })
}

fn from_config_file(path: &Path) -> Result<Credentials, Fault> {
    let text = private_text(path)?;
    let wrong = |why: String| Fault::refused(format!("cannot read '{}': {why}", path.display()));
    // The parser's own message quotes the line, which may hold the password.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        wrong(format!("line {} is not TOML", before.matches('\n').count() + 1))
    })?;
    let password = table.get("server").and_then(|server| server.get("password"));
    let password = password.and_then(toml::Value::as_str).map(Password::new);
    let password = password.ok_or_else(|| wrong("it has no 'server.password'".into()))?;
    Ok(Credentials { user: None, password: Some(password) })
}

/// The text of a file that is ours or root's and that nobody else may read or write.
fn private_text(path: &Path) -> Result<String, Fault> {
    let wrong = |error: io::Error| cannot("read", path, &error);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK | O_NOCTTY)
        .open(path)
        .map_err(wrong)?;
    private(&file, path)?;
    limited(&file, SECRET_BYTES_MAX).map_err(wrong)
}

fn private(file: &File, path: &Path) -> Result<(), Fault> {
    let meta = file.metadata().map_err(|error| cannot("look at", path, &error))?;
    let (path, mode, owner) = (path.display(), meta.mode() & 0o7777, meta.uid());
    if !meta.is_file() {
        return Err(Fault::refused(format!("'{path}' is not a regular file")));
    }
    if mode & 0o077 != 0 {
        return Err(Fault::refused(format!("'{path}' is readable by others (mode {mode:04o})")));
    }
    if owner != 0 && owner != Uid::effective().as_raw() {
        return Err(Fault::refused(format!("'{path}' belongs to another user ({owner})")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn told(text: &str, mode: u32, secret: fn(std::path::PathBuf) -> Secret) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match read(&secret(path)) {
            Ok(found) => {
                let password = found.password.map(|password| password.expose().to_owned());
                format!("{:?} {password:?}", found.user)
            }
            Err(fault) => fault.to_string().replace(&dir.path().display().to_string(), ""),
        }
    }

    #[test]
    fn a_private_file_is_read() {
        let text = "[client]\nuser=me\npassword=x";
        assert_eq!(told(text, 0o600, Secret::OptionFile), r#"Some("me") Some("x")"#);
        let text = "[server]\npassword = 'y'\nsocket = '/s'";
        assert_eq!(told(text, 0o400, Secret::ConfigFile), r#"None Some("y")"#);
        assert_eq!(read(&Secret::None), Ok(Credentials::default()));
    }

    #[test]
    fn a_file_that_others_may_touch_is_refused() {
        for secret in [Secret::OptionFile, Secret::ConfigFile] {
            let wanted = "'/secret' is readable by others (mode 0640)";
            assert_eq!(told("[client]", 0o640, secret), wanted);
            assert!(told("[client]", 0o602, secret).contains("(mode 0602)"));
        }
    }

    #[test]
    fn no_message_shows_what_the_file_says() {
        let said = told("[server]\npassword = hunter2", 0o600, Secret::ConfigFile);
        assert_eq!(said, "cannot read '/secret': line 2 is not TOML");
        let said = told("[server]\npasswort = 'hunter2'", 0o600, Secret::ConfigFile);
        assert_eq!(said, "cannot read '/secret': it has no 'server.password'");
        let said = told("[client]\npassword=hunter2\n[hunter2", 0o600, Secret::OptionFile);
        assert_eq!(said, "cannot read '/secret': line 3: a [section] without its ']'");
    }
}
