//! Ring 4: the real binary against a real Dovecot.

mod servers;
mod session;
