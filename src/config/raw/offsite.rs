//! A place under `[[offsite]]` as typed. Deliberately absent: which keys belong together.

use serde::Deserialize;

use super::Retention;
use crate::units::{Bytes, Hours};

/// A table of `[[offsite]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Offsite {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) kind: Option<OffsiteKind>,
    pub(in crate::config) push: Option<bool>,
    pub(in crate::config) seconds_max: Option<u64>,
    pub(in crate::config) bandwidth_max: Option<Bytes>,
    pub(in crate::config) repository_file: Option<String>,
    pub(in crate::config) password_file: Option<String>,
    pub(in crate::config) credentials_file: Option<String>,
    pub(in crate::config) cache_directory: Option<String>,
    pub(in crate::config) options: Option<Vec<String>>,
    pub(in crate::config) host: Option<String>,
    pub(in crate::config) port: Option<u16>,
    pub(in crate::config) user: Option<String>,
    pub(in crate::config) directory: Option<String>,
    pub(in crate::config) key_file: Option<String>,
    pub(in crate::config) known_hosts: Option<String>,
    pub(in crate::config) keep_last: Option<u32>,
    pub(in crate::config) keep_daily: Option<u32>,
    pub(in crate::config) keep_weekly: Option<u32>,
    pub(in crate::config) keep_monthly: Option<u32>,
    pub(in crate::config) keep_yearly: Option<u32>,
    pub(in crate::config) keep_within: Option<Hours>,
}

/// `kind` of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OffsiteKind {
    Ssh,
    Restic,
}

impl Offsite {
    /// The rules of the place.
    pub(in crate::config) fn keep(&self) -> Retention {
        Retention {
            keep_last: self.keep_last,
            keep_daily: self.keep_daily,
            keep_weekly: self.keep_weekly,
            keep_monthly: self.keep_monthly,
            keep_yearly: self.keep_yearly,
            keep_within: self.keep_within,
        }
    }

    /// The keys of one kind alone that are typed.
    pub(in crate::config) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("repository_file", self.repository_file.is_some()),
            ("password_file", self.password_file.is_some()),
            ("credentials_file", self.credentials_file.is_some()),
            ("cache_directory", self.cache_directory.is_some()),
            ("options", self.options.is_some()),
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
            ("user", self.user.is_some()),
            ("directory", self.directory.is_some()),
            ("key_file", self.key_file.is_some()),
            ("known_hosts", self.known_hosts.is_some()),
        ];
        all.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }
}
