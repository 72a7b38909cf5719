//! A certificate authority of our own, and certificates that are right or wrong in one way.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// What a server presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// For `localhost`, by the authority that clients trust.
    Good,
    /// The same, but over since 2020.
    Expired,
    /// The same, but from 2200 on.
    NotValidYet,
    /// By the right authority, for another name.
    WrongName,
    /// For the right name, by an authority that nobody trusts.
    UnknownAuthority,
    /// Signed by itself and marked as an authority, as appliances come with.
    SelfSignedAuthority,
}

/// Files of a server and of its clients.
pub struct Files {
    /// What clients may trust.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

/// Makes all of it in `dir`.
pub fn make(dir: &Path, kind: Certificate) -> Files {
    let trusted = authority("mailsyncd test CA");
    let key = KeyPair::generate().unwrap();
    let certificate = match kind {
        Certificate::Good => server("localhost").signed_by(&key, &trusted),
        Certificate::Expired => {
            let mut parameters = server("localhost");
            parameters.not_before = date_time_ymd(2019, 1, 1);
            parameters.not_after = date_time_ymd(2020, 1, 1);
            parameters.signed_by(&key, &trusted)
        }
        Certificate::NotValidYet => {
            let mut parameters = server("localhost");
            parameters.not_before = date_time_ymd(2200, 1, 1);
            parameters.signed_by(&key, &trusted)
        }
        Certificate::WrongName => server("imap.elsewhere.example").signed_by(&key, &trusted),
        Certificate::UnknownAuthority => server("localhost").signed_by(&key, &authority("somebody else's CA")),
        Certificate::SelfSignedAuthority => {
            let mut parameters = server("localhost");
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.self_signed(&key)
        }
    };
    let write = |name: &str, pem: String| {
        let path = dir.join(name);
        fs::write(&path, pem).unwrap();
        path
    };
    Files {
        authority: write("ca.pem", trusted.pem()),
        certificate: write("server.pem", certificate.unwrap().pem()),
        key: write("server.key", key.serialize_pem()),
    }
}

/// The server's side of TLS.
pub fn acceptor(files: &Files) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn server(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters
}
