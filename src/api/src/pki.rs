//! A small certificate authority for air-gapped sites: one root, one certificate per role and name.

use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use thiserror::Error;

use crate::tls::{Role, TlsFiles};

/// File of the root certificate in an authority's folder.
pub const CA_CERT: &str = "ca.crt";
/// File of the root key in an authority's folder. Keep it off the servers.
pub const CA_KEY: &str = "ca.key";

/// Why a certificate could not be made or stored.
#[derive(Debug, Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("cannot access `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder holds an authority already.
    #[error("`{}` exists: an authority is never overwritten; use another folder, or issue from this one", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A key, certificate or name is unusable.
    #[error("cannot make a certificate for `{subject}`")]
    Certificate {
        /// For whom.
        subject: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

/// A certificate authority in a folder.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new root in `dir`. Valid for as long as X.509 allows people to forget about it (until 4096).
    ///
    /// # Errors
    /// If an authority is there already, or the files cannot be written.
    pub fn create(dir: &Path, name: &str) -> Result<Self, PkiError> {
        let path = dir.join(CA_KEY);
        if path.exists() {
            return Err(PkiError::Exists { path });
        }
        let failed = |source| PkiError::Certificate {
            subject: name.to_owned(),
            source,
        };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let cert = params.self_signed(&key).map_err(failed)?;
        fs::create_dir_all(dir).map_err(|source| PkiError::File {
            path: dir.to_owned(),
            source,
        })?;
        write_private(&path, &key.serialize_pem())?;
        write_private(&dir.join(CA_CERT), &cert.pem())?;
        Ok(Self {
            dir: dir.to_owned(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Opens the root in `dir`.
    ///
    /// # Errors
    /// If its files cannot be read or do not belong together.
    pub fn load(dir: &Path) -> Result<Self, PkiError> {
        let read = |file: &str| {
            let path = dir.join(file);
            fs::read_to_string(&path).map_err(|source| PkiError::File { path, source })
        };
        let (cert, key) = (read(CA_CERT)?, read(CA_KEY)?);
        let failed = |source| PkiError::Certificate {
            subject: CA_CERT.to_owned(),
            source,
        };
        let key = KeyPair::from_pem(&key).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_pem(&cert, key).map_err(failed)?;
        Ok(Self {
            dir: dir.to_owned(),
            issuer,
        })
    }

    /// Issues a certificate for `name` in `role` and writes `<name>.crt` and `<name>.key` beside the root. It has no end that
    /// anybody will see: on a site that nobody reaches, a certificate that runs out at night is an outage. Whoever wants an end
    /// uses an authority of their own.
    ///
    /// `hosts` are further DNS names or addresses under which people reach it; loopback is always included.
    ///
    /// # Errors
    /// If a name is unusable or the files cannot be written.
    pub fn issue(&self, role: Role, name: &str, hosts: &[String]) -> Result<TlsFiles, PkiError> {
        let subject = role.dns_name(name);
        let failed = |source| PkiError::Certificate {
            subject: subject.clone(),
            source,
        };
        let mut names = vec![subject.clone(), role.dns_suffix().to_owned(), "localhost".to_owned()];
        names.extend(hosts.iter().filter(|host| host.parse::<IpAddr>().is_err()).cloned());
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params
            .subject_alt_names
            .push(SanType::IpAddress(IpAddr::from([127, 0, 0, 1])));
        params.subject_alt_names.extend(
            hosts
                .iter()
                .filter_map(|host| host.parse::<IpAddr>().ok())
                .map(SanType::IpAddress),
        );
        params.distinguished_name.push(DnType::CommonName, subject.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let cert = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let files = TlsFiles {
            ca: self.dir.join(CA_CERT),
            cert: self.dir.join(format!("{name}.crt")),
            key: self.dir.join(format!("{name}.key")),
        };
        write_private(&files.key, &key.serialize_pem())?;
        write_private(&files.cert, &cert.pem())?;
        Ok(files)
    }
}

/// Writes a file that only its owner can read, and that readers see whole or not at all.
fn write_private(path: &Path, text: &str) -> Result<(), PkiError> {
    let failed = |source| PkiError::File {
        path: path.to_owned(),
        source,
    };
    let draft = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)
}
