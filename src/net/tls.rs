//! TLS: one client configuration for all connections, the system's trust, and errors as a closed list.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, pem, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Io,
    deadline::within,
    error::{NetError, TlsFault},
};
use crate::model::profile::{Endpoint, Security};

/// TLS sessions kept for resumption, over all hosts; the library keeps eight for a host.
const SESSIONS_KEPT: usize = 8 * 512;

/// Why the trusted certificates could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// A file of extra authorities cannot be read, or is not PEM.
    #[error("{}: cannot be read as PEM certificates", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// A file of extra authorities holds no certificate.
    #[error("{}: holds no certificate", .0.display())]
    Empty(PathBuf),
    /// A certificate in the file cannot be used as an authority.
    #[error("{}: not usable as an authority's certificate", file.display())]
    Authority {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The system has no trusted certificates (package `ca-certificates`).
    #[error("the system's trusted certificates cannot be loaded")]
    System(#[source] rustls::Error),
}

/// Makes TLS connections. Cheap to clone; all clones share one configuration.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<RwLock<Arc<ClientConfig>>>,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

impl TlsClient {
    /// Trusts the system's authorities and those in `extra_ca_files` (PEM).
    ///
    /// # Errors
    /// A file cannot be read or used, or there are no authorities at all.
    pub fn new(extra_ca_files: &[PathBuf]) -> Result<Self, TlsConfigError> {
        Ok(Self { config: Arc::new(RwLock::new(load(extra_ca_files)?)) })
    }

    /// Does as `fresh` from now on; forgets the sessions kept for resumption, so that a withdrawn
    /// trust ends with it.
    pub fn replace(&self, fresh: &Self) {
        let fresh = Arc::clone(&fresh.config.read().unwrap_or_else(PoisonError::into_inner));
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// Shakes hands over `stream` with `host`, a DNS name or an address, within `limit`.
    ///
    /// # Errors
    /// [`NetError::Tls`], [`NetError::TlsTimeout`] or [`NetError::Io`].
    pub async fn connect<S: Io>(&self, host: &str, stream: S, limit: Duration) -> Result<TlsStream<S>, NetError> {
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(literal.to_owned())
            .map_err(|error| NetError::Tls { fault: TlsFault::WrongName, detail: error.to_string() })?;
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let handshake = TlsConnector::from(config).connect(name, stream);
        within(limit, "TLS handshake", handshake).await.map_err(|_| NetError::TlsTimeout)?.map_err(tls_error)
    }

    /// What `endpoint` demands over `stream`: TLS, or none. Where it demands STARTTLS, that has been said.
    ///
    /// # Errors
    /// As [`TlsClient::connect`].
    pub async fn secure<S: Io>(
        &self,
        stream: S,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<Transport<S>, NetError> {
        Ok(match endpoint.security {
            Security::None => Transport::Plain(stream),
            Security::Tls | Security::Starttls => {
                Transport::Tls(Box::new(self.connect(&endpoint.host, stream, limit).await?))
            }
        })
    }
}

fn load(extra_ca_files: &[PathBuf]) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let mut extra = Vec::new();
    for file in extra_ca_files {
        extra.append(&mut authorities(file)?);
    }
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(TlsConfigError::System)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsConfigError::System)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS_KEPT);
    Ok(Arc::new(config))
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let unreadable = |source| TlsConfigError::File { file: file.to_owned(), source };
    let found: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>).map_err(unreadable)?;
    if found.is_empty() {
        return Err(TlsConfigError::Empty(file.to_owned()));
    }
    let mut trial = RootCertStore::empty();
    for certificate in &found {
        trial.add(certificate.clone()).map_err(|source| TlsConfigError::Authority { file: file.to_owned(), source })?;
    }
    Ok(found)
}

/// Classifies what ended a handshake.
fn tls_error(error: io::Error) -> NetError {
    let Some(cause) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match NetError::from_io(error) {
            NetError::Io(kind) => NetError::TlsBroken(kind),
            exhausted => exhausted,
        };
    };
    let fault = match cause {
        rustls::Error::InvalidCertificate(problem) => certificate_fault(problem),
        rustls::Error::InvalidMessage(_) => TlsFault::NotSpoken,
        rustls::Error::InvalidCertRevocationList(_) => TlsFault::BadCertificate,
        _ => TlsFault::Handshake,
    };
    NetError::Tls { fault, detail: cause.to_string() }
}

fn certificate_fault(problem: &CertificateError) -> TlsFault {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotValidYet,
        CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::WrongName,
        _ => TlsFault::BadCertificate,
    }
}

/// A stream with or without TLS.
#[derive(Debug)]
pub enum Transport<S> {
    /// Without.
    Plain(S),
    /// With.
    Tls(Box<TlsStream<S>>),
}

impl<S> Transport<S> {
    /// Whether what is sent is protected.
    pub fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl<S: Io> AsyncRead for Transport<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl<S: Io> AsyncWrite for Transport<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
