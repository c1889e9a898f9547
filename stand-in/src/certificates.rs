//! TLS with the vendors' certificates, generated at each start. Each vendor has its own, so that a client that connects to one
//! vendor but expects the other fails as it would with the real ones.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::authority::Authority;

/// TLS as the server `host`: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
pub fn server(authority: &Authority, host: &str) -> Result<Arc<ServerConfig>> {
    let (certificate, key) = authority.issue(host)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).ok().context("an unusable private key")?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
