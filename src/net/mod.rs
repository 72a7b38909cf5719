//! Reaching a server: names, addresses, TLS, deadlines, and a guard against what comes back.

pub mod credentials;
pub mod deadline;
pub mod dial;
pub mod error;
pub mod guard;
pub mod http;
pub mod lines;
pub mod pace;
pub mod spoken;
pub mod tls;

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream in both directions: a socket, TLS over one, or a test's pipe.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}
