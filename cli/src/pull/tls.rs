//! TLS to the console, and whom it trusts.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Failure;

/// Connects to one host.
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the certificates in a PEM file, or those that the system trusts. `host` is the name that the server's certificate has to have.
    ///
    /// # Errors
    /// If there are no certificates, or the host can't have one.
    pub fn new(ca: Option<&Path>, host: &str) -> Result<Self, Failure> {
        let refused = |problem: String| Failure::Refused(problem);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failure::Usage(format!("--console: {host} is no name of a host")))?;
        let roots = match ca {
            Some(file) => of_file(file).map_err(refused)?,
            None => of_system().map_err(refused)?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Makes the handshake.
    ///
    /// # Errors
    /// If the server can't be trusted, or doesn't speak TLS.
    pub async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn of_file(file: &Path) -> Result<RootCertStore, String> {
    let unusable = |problem: &dyn std::fmt::Display| format!("--ca {}: {problem}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(&error))? {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() { Err(unusable(&"expected certificates in PEM, found none")) } else { Ok(roots) }
}

fn of_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // A store has odd ones among many: they are passed over.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(
            "this machine has no certificates to trust: install its ca-certificates, or name them by --ca"
                .to_owned(),
        ),
        false => Ok(roots),
    }
}
