//! How the server is reached and who to be there, from the configuration and the option file it
//! names. The password itself stays where it is until the moment of connecting.

use std::path::{Path, PathBuf};

use super::load::private;
use super::{Complaint, Config, SOCKET, SecretIn};
use crate::host::{Ask, Host, Login, Reach, Secret, Tls};
use crate::option_file::OptionFile;

/// The login; `credentials` is the value of `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
pub fn login(
    host: &dyn Host,
    config: &Config,
    credentials: Option<PathBuf>,
) -> Result<Login, Complaint> {
    let secret = match &config.server.secret {
        SecretIn::Nothing => Secret::None,
        SecretIn::Config => Secret::ConfigFile(config.path.clone()),
        SecretIn::OptionFile(path) => Secret::OptionFile(path.clone()),
        SecretIn::Credential(name) => Secret::Credential(name.clone()),
    };
    let options = match &secret {
        Secret::OptionFile(path) => option_file(host, path)?,
        Secret::Credential(name) => option_file(host, &credential(name, credentials)?)?,
        _ => OptionFile::default(),
    };
    let reach = config.server.reach.clone().unwrap_or_else(|| reach(&options));
    let user = config.server.user.clone().or(options.user);
    Ok(Login { reach, user, secret, connect_ms_max: config.server.connect_ms_max })
}

fn credential(name: &str, directory: Option<PathBuf>) -> Result<PathBuf, Complaint> {
    directory.map(|directory| directory.join(name)).ok_or_else(|| {
        let what = format!("cannot find the credential '{name}': no CREDENTIALS_DIRECTORY is set");
        Complaint::new(what, "Run holdstill as a systemd service with LoadCredential=.")
    })
}

/// The clients of both servers take the host `localhost` as the socket.
fn reach(options: &OptionFile) -> Reach {
    match (&options.socket, &options.host) {
        (None, Some(host)) if host != "localhost" => Reach::Tcp {
            host: host.clone(),
            port: options.port.unwrap_or(3306),
            tls: Tls::Encrypted,
        },
        (socket, _) => Reach::Socket(socket.as_deref().unwrap_or(SOCKET).into()),
    }
}

/// Reads an option file that is kept from others.
pub fn option_file(host: &dyn Host, path: &Path) -> Result<OptionFile, Complaint> {
    private(host, path, "the option file")?;
    let hint = "It is read like ~/.my.cnf: a section [client] with 'user=' and 'password='.";
    let wrong =
        |why: String| Complaint::new(format!("cannot read '{}': {why}", path.display()), hint);
    let text = host.file(path).map_err(|fault| wrong(fault.to_string()))?;
    OptionFile::parse(&text.unwrap_or_default()).map_err(|error| wrong(error.to_string()))
}
