//! The certificate authorities that a client trusts.

use reqwest::{Certificate, ClientBuilder};

use crate::{UntrustedAuthority, causes};

/// The standing of configured authorities against the system's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authorities {
    /// They are trusted besides the system's.
    #[default]
    Also,
    /// They alone are trusted.
    Only,
}

/// The certificate authorities that vouch for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The system's.
    #[default]
    System,
    /// The system's and these (PEM).
    Also(String),
    /// These alone (PEM): a certificate by any public authority is refused.
    Only(String),
}

impl Trust {
    /// The trust in the authorities of a file, if there is one.
    #[must_use]
    pub fn of(pem: Option<String>, authorities: Authorities) -> Self {
        match (pem, authorities) {
            (None, Authorities::Also | Authorities::Only) => Self::System,
            (Some(pem), Authorities::Also) => Self::Also(pem),
            (Some(pem), Authorities::Only) => Self::Only(pem),
        }
    }

    /// The builder of a client that trusts these authorities.
    ///
    /// # Errors
    /// [`UntrustedAuthority`] where a text holds no certificate that can be read.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, UntrustedAuthority> {
        match self {
            Self::System => Ok(builder),
            Self::Also(pem) => Ok(builder.tls_certs_merge(certificates(pem)?)),
            Self::Only(pem) => Ok(builder.tls_certs_only(certificates(pem)?)),
        }
    }
}

fn certificates(pem: &str) -> Result<Vec<Certificate>, UntrustedAuthority> {
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if certificates.is_empty() => Err(UntrustedAuthority::None),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(UntrustedAuthority::Unreadable(causes(&error))),
    }
}
