//! Online backups of MySQL and MariaDB from an LVM snapshot.
//!
//! The modules in reading order: what is meant ([`config`], and [`init`], which writes the first
//! one), what is decided ([`plan`]), what is done ([`run`]), what may be left behind ([`claim`],
//! [`ledger`], [`settle`], [`recover`]), what is kept and proven ([`store`], [`manifest`],
//! [`proof`], [`verify`], [`pages`], [`memory`], [`locks`],
//! [`retention`]), what others are told
//! ([`aftermath`], [`history`], [`textfile`], [`hooks`], [`check`], [`catalog`], [`report`]), and
//! the seam to the machine ([`host`]).

pub mod cli;
pub mod error;
pub mod ui;

pub mod config;
pub mod init;
pub mod option_file;
pub mod trust;

pub mod plan;

pub mod run;

pub mod aftermath;
pub mod catalog;
pub mod check;
pub mod history;
pub mod hooks;
pub mod report;
pub mod textfile;

pub mod claim;
pub mod digest;
pub mod ledger;
pub mod locks;
pub mod manifest;
pub mod memory;
pub mod offsite;
pub mod pages;
pub mod proof;
pub mod recover;
pub mod restore;
pub mod retention;
pub mod settle;
pub mod store;
pub mod sums;
pub mod verify;

pub mod copy;
pub mod database;
pub mod drill;
pub mod snapshot;

pub mod host;
mod shell;
pub mod units;
pub mod wrong;
