//! From a `Login` to the driver's options: every one of them set on purpose.
//!
//! Deliberately absent: pools, reconnects, statements on connecting, and any other way to the
//! server than the one that was asked for.

use std::io;
use std::time::Duration;

use mysql::{LocalInfileHandler, OptsBuilder, SslOpts};
use nix::unistd::{Uid, User};

use super::secret;
use crate::host::{Fault, Login, Reach, Tls};
use crate::option_file::Password;

/// The longest packet, and therefore value, that we take.
const PACKET_BYTES_MAX: usize = 16 << 20;

/// How often a silent TCP connection is probed, so that a dead server is noticed.
const KEEPALIVE_MS: u32 = 10_000;

/// The driver's options for a login, with the password read now.
pub(super) fn options(login: &Login) -> Result<OptsBuilder, Fault> {
    let credentials = secret::read(&login.secret)?;
    let patience = Some(Duration::from(login.connect_ms_max));
    let user = login.user.clone().or(credentials.user).or_else(own_name);
    let options = OptsBuilder::new()
        .user(user)
        .pass(credentials.password.as_ref().map(Password::expose))
        // It would leave for whatever socket the server names.
        .prefer_socket(false)
        // Given here, it is not asked for.
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .tcp_connect_timeout(patience)
        // These two are for the handshake; `sql` takes them off again.
        .read_timeout(patience)
        .write_timeout(patience)
        .local_infile_handler(Some(no_files()));
    Ok(reach(options, &login.reach))
}

fn reach(options: OptsBuilder, reach: &Reach) -> OptsBuilder {
    match reach {
        Reach::Socket(path) => options.socket(Some(path.to_string_lossy())),
        Reach::Tcp { host, port, tls } => options
            .ip_or_hostname(Some(host))
            .tcp_port(*port)
            .tcp_keepalive_time_ms(Some(KEEPALIVE_MS))
            .ssl_opts(protection(tls)),
    }
}

fn protection(tls: &Tls) -> Option<SslOpts> {
    match tls {
        Tls::Verified(authority) => {
            Some(SslOpts::default().with_root_cert_path(Some(authority.clone())))
        }
        Tls::Encrypted => Some(
            SslOpts::default()
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true),
        ),
        Tls::Off => None,
    }
}

/// A server may ask the client for any file; ours gives none.
fn no_files() -> LocalInfileHandler {
    LocalInfileHandler::new(|_, _| {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the server asked for a local file"))
    })
}

/// Who we are to the system: what the servers' own clients say if told nothing, and the name that
/// a server compares over a socket.
fn own_name() -> Option<String> {
    User::from_uid(Uid::effective()).ok().flatten().map(|user| user.name)
}

#[cfg(test)]
mod tests {
    use mysql::Opts;

    use super::*;
    use crate::host::Secret;
    use crate::units::Millis;

    fn options_of(reach: Reach) -> Opts {
        let login = Login { reach, user: None, secret: Secret::None, connect_ms_max: Millis(500) };
        options(&login).unwrap().into()
    }

    #[test]
    fn a_socket_is_reached_as_ourselves_and_no_other_way_is_taken() {
        let told = options_of(Reach::Socket("/run/s.sock".into()));
        assert_eq!(told.get_socket(), Some("/run/s.sock"));
        assert!(told.get_user().is_some());
        assert!(!told.get_prefer_socket() && told.get_init().is_empty());
        assert_eq!(told.get_read_timeout(), Some(&Duration::from_millis(500)));
    }

    #[test]
    fn tcp_is_protected_as_asked() {
        let tcp = |tls| options_of(Reach::Tcp { host: "db.example".into(), port: 3307, tls });
        let checked = tcp(Tls::Verified("/ca.pem".into()));
        let ssl = checked.get_ssl_opts().unwrap();
        assert!(ssl.root_cert_path().is_some() && !ssl.accept_invalid_certs());
        assert!(!ssl.skip_domain_validation());
        assert!(tcp(Tls::Encrypted).get_ssl_opts().unwrap().accept_invalid_certs());
        let plain = tcp(Tls::Off);
        assert!(plain.get_ssl_opts().is_none());
        assert_eq!(plain.get_tcp_port(), 3307);
    }
}
