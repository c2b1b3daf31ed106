//! The configuration: what is accepted, and every complaint.
